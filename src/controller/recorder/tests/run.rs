//! Whole runs, against an API server that is slow and fails.

use std::time::Duration;

use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::*;
use crate::controller::fixture::server::{Fault, Server};
use crate::controller::fixture::{at, kept, node};
use crate::domain::{Outcome, Reason};

/// The term that the recorders write in.
const EPOCH: u32 = 3;

/// What became of a run.
struct Ran {
    /// In the order in which the writes ended.
    done: Vec<Done>,
    /// `NODE VERDICT`.
    notices: Vec<String>,
    metrics: Metrics,
}

impl Ran {
    fn count(&self, outcome: &'static str) -> u64 {
        let of = OfOutcome { outcome };
        self.metrics.record_writes.get_or_create(&of).get()
    }
}

/// Hands in `writes`, tells that no more come, and waits for the end.
async fn run(server: &Server, writes: Vec<Write>) -> Ran {
    let metrics = Metrics::register(&mut Registry::default());
    let (events, mut notices) = Events::channel(metrics.clone());
    let (sender, to_write) = mpsc::unbounded_channel();
    let (written, mut done) = mpsc::unbounded_channel();
    for write in writes {
        sender.send(write).unwrap();
    }
    drop(sender);

    let recorder = Recorder::new(server.client(), EPOCH, clock(), metrics.clone(), events);
    recorder.run(to_write, written).await;

    let told = |notice| match notice {
        Notice::Verdict { node, verdict, .. } => format!("{node} {verdict}"),
        other => format!("{other:?}"),
    };
    Ran {
        done: std::iter::from_fn(|| done.try_recv().ok()).collect(),
        notices: std::iter::from_fn(|| notices.try_recv().ok().map(told)).collect(),
        metrics,
    }
}

/// A recorder at second 20, of which nobody hears what it tells, and the way to it.
fn recorder(
    server: &Server,
) -> (
    Recorder,
    mpsc::UnboundedSender<Write>,
    mpsc::UnboundedReceiver<Write>,
) {
    let metrics = Metrics::register(&mut Registry::default());
    let events = Events::channel(metrics.clone()).0;
    let (sender, to_write) = mpsc::unbounded_channel();
    (
        Recorder::new(server.client(), EPOCH, clock(), metrics, events),
        sender,
        to_write,
    )
}

fn clock() -> Clock {
    let clock = Clock::system();
    clock.shift(at(20).duration_since(clock.wall()));
    clock
}

/// What is known of the node `name`.
fn known(name: &str, verdict: Verdict) -> Record {
    let reason = match verdict {
        Verdict::Trusted => Reason::Attested,
        Verdict::Unknown => Reason::NeverAttested,
        Verdict::Untrusted => Reason::FailedAttestation,
    };
    kept(&node(name, "b"), verdict, reason).record
}

/// The service answered a question of `second` about a node that was `base`.
fn answered(base: &Arc<Kept>, outcome: Outcome, second: i64) -> Write {
    let asked = base.record.incarnation.clone().unwrap();
    let answer = Answer {
        outcome,
        asked,
        requested_at: at(second),
        evidence_at: None,
    };
    let pool = crate::domain::fixtures::pool();
    Write {
        name: base
            .record
            .incarnation
            .as_ref()
            .unwrap()
            .host
            .as_str()
            .into(),
        change: Change::Answered(Box::new(answer), Box::new(pool)),
        base: Arc::clone(base),
        is_loss: outcome == Outcome::Untrusted,
    }
}

/// Verdict and streak.
fn state(record: &Record) -> (Verdict, u32) {
    (record.verdict, record.streak)
}

#[tokio::test(start_paused = true)]
async fn all_that_was_handed_in_is_written_before_the_end() {
    let server = Server::default();
    let names: Vec<_> = (0..3 * CONCURRENCY).map(|n| format!("n{n}")).collect();
    let write = |name: &String| {
        let base = server.keep(name, &known(name, Verdict::Unknown));
        answered(&base, Outcome::Trusted, 1)
    };
    let mut writes: Vec<_> = names.iter().map(write).collect();
    let last = writes[names.len() - 1].clone();
    for second in 2..5 {
        writes.push(answered(&last.base, Outcome::Trusted, second));
    }

    let ran = run(&server, writes).await;

    for name in &names {
        let verdict = server.record(name).unwrap().verdict;
        assert_eq!(verdict, Verdict::Trusted, "{name}");
    }
    let asked_for = server.record(last.name.as_str()).unwrap().requested_at;
    assert_eq!(asked_for, Some(at(4)), "the last of several of one node");
    assert_eq!(ran.done.len(), names.len() + 3);
}

#[tokio::test(start_paused = true)]
async fn writes_of_one_node_go_one_after_the_other_each_from_what_the_last_one_wrote() {
    let server = Server::default();
    let base = server.keep("a", &known("a", Verdict::Trusted));
    let outcomes = [
        (Outcome::Trusted, 1),
        (Outcome::Untrusted, 2),
        (Outcome::Trusted, 3),
        (Outcome::Trusted, 4),
    ];
    let writes = outcomes.map(|(outcome, second)| answered(&base, outcome, second));

    run(&server, writes.to_vec()).await;

    let states: Vec<_> = server.written("a").iter().map(state).collect();
    let expected = [
        (Verdict::Trusted, 0),
        (Verdict::Untrusted, 0),
        (Verdict::Untrusted, 1),
        (Verdict::Trusted, 0),
    ];
    assert_eq!(states, expected);
    assert_eq!(server.asked(), ["PUT a"; 4], "nothing was read in between");
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_read_again_and_the_change_applied_to_what_is_there() {
    let server = Server::default();
    let base = server.keep("a", &known("a", Verdict::Trusted));
    let newer = known("a", Verdict::Untrusted);
    server.fail([Fault::Second(Box::new(newer))]);

    let ran = run(&server, vec![answered(&base, Outcome::Trusted, 1)]).await;

    assert_eq!(server.asked(), ["PUT a", "GET a", "PUT a"]);
    let record = server.record("a").unwrap();
    assert_eq!(state(&record), (Verdict::Untrusted, 1), "one good answer");
    assert_eq!(ran.done[0].kept.as_ref().unwrap().record, record);
    assert_eq!((ran.count("ok"), ran.count("conflict")), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn invariant_2_an_answer_whose_write_went_unheard_is_written_and_counted_once() {
    let server = Server::default();
    let base = server.keep("a", &known("a", Verdict::Untrusted));
    server.fail([Fault::Unheard]);

    let ran = run(&server, vec![answered(&base, Outcome::Trusted, 1)]).await;

    assert_eq!(server.asked(), ["PUT a", "GET a"]);
    let record = server.record("a").unwrap();
    assert_eq!(state(&record), (Verdict::Untrusted, 1));
    assert_eq!(ran.done[0].kept.as_ref().unwrap().record, record);
    assert_eq!((ran.count("ok"), ran.count("error")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn invariant_7_what_a_later_leader_has_written_is_not_written_over() {
    let server = Server::default();
    for (epoch, expected) in [(EPOCH - 1, 1), (EPOCH, 1), (EPOCH + 1, 0)] {
        let name = format!("n{epoch}");
        let base = server.keep_of(&name, &known(&name, Verdict::Unknown), epoch);

        run(&server, vec![answered(&base, Outcome::Trusted, 1)]).await;

        assert_eq!(
            server.written(&name).len(),
            expected,
            "written in term {epoch}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_what_the_node_is_no_more_is_dropped() {
    let server = Server::default();
    let base = server.keep("a", &known("a", Verdict::Unknown));
    let mut rebooted = known("a", Verdict::Unknown);
    rebooted.incarnation = None;
    server.fail([Fault::Second(Box::new(rebooted))]);

    let ran = run(&server, vec![answered(&base, Outcome::Trusted, 1)]).await;

    assert_eq!(server.written("a"), []);
    assert!(ran.done[0].kept.is_none(), "the node is to be asked again");
    assert_eq!((ran.count("ok"), ran.count("overtaken")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_node_trust_whose_making_went_unheard_is_the_one_that_is_written() {
    let server = Server::default();
    let base = Arc::new(Kept {
        record: known("a", Verdict::Unknown),
        ..Kept::default()
    });
    server.fail([Fault::Unheard]);

    run(&server, vec![answered(&base, Outcome::Trusted, 1)]).await;

    assert_eq!(server.asked(), ["POST a", "GET a", "PUT a"]);
    assert_eq!(server.record("a").unwrap().verdict, Verdict::Trusted);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_away_ends_a_write_after_seven_tries_and_not_the_run() {
    let server = Server::default();
    let base = server.keep("a", &known("a", Verdict::Unknown));
    server.fail([const { Fault::Away }; 7]);
    let writes = [1, 2].map(|second| answered(&base, Outcome::Trusted, second));

    let ran = run(&server, writes.to_vec()).await;

    let tries = server.asked().iter().filter(|it| *it == "PUT a").count();
    assert_eq!(tries, 8);
    let written: Vec<_> = ran.done.iter().map(|done| done.kept.is_some()).collect();
    assert_eq!(written, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn however_many_writes_fail_for_ever_no_other_waits_for_them() {
    let server = Server::default();
    let write = |name: &str| {
        let base = server.keep(name, &known(name, Verdict::Unknown));
        answered(&base, Outcome::Trusted, 1)
    };
    let refused: Vec<_> = (0..3 * CONCURRENCY).map(|n| format!("n{n}")).collect();
    let mut writes: Vec<_> = refused.iter().map(|name| write(name)).collect();
    refused.iter().for_each(|name| server.refuse(name));
    writes.push(write("a"));

    let ran = run(&server, writes).await;

    assert_eq!(ran.done[0].name, "a".into());
    assert_eq!((ran.count("ok"), ran.done.len()), (1, refused.len() + 1));
    let asked = server.asked();
    let tries = asked.iter().filter(|it| *it == "PUT n0").count();
    assert_eq!(tries, 7);
    let at = |request: &str| asked.iter().position(|it| it.starts_with(request));
    assert!(at("PUT a") < at("GET"), "nothing was tried again before");
}

/// Each takes 10 ms to be refused, and there are so many that they take turns for minutes.
#[tokio::test(start_paused = true)]
async fn a_loss_that_failed_once_does_not_wait_for_gains_that_fail_for_ever() {
    let server = Server::default();
    let (recorder, sender, to_write) = recorder(&server);
    let written = mpsc::unbounded_channel().0;
    for name in (0..3_000).map(|n| format!("n{n}")) {
        let base = server.keep(&name, &known(&name, Verdict::Unknown));
        server.refuse(&name);
        sender.send(answered(&base, Outcome::Trusted, 1)).unwrap();
    }
    let base = server.keep("a", &known("a", Verdict::Trusted));
    let loss = async {
        sleep(Duration::from_secs(5)).await;
        server.fail([Fault::Away]);
        let lost = Instant::now();
        sender.send(answered(&base, Outcome::Untrusted, 2)).unwrap();
        while server.written("a").is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        lost.elapsed()
    };

    let took = tokio::select! {
        () = recorder.run(to_write, written) => panic!("it ended"),
        took = loss => took,
    };

    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn each_change_of_a_verdict_is_told_once_and_nothing_else_is() {
    let server = Server::default();
    let base = server.keep("a", &known("a", Verdict::Unknown));
    let other = server.keep("b", &known("b", Verdict::Trusted));
    let mut writes: Vec<_> = [
        (Outcome::Trusted, 1),
        (Outcome::Trusted, 2),
        (Outcome::HostTimeout, 3),
        (Outcome::Untrusted, 4),
        (Outcome::Untrusted, 5),
        (Outcome::Trusted, 6),
    ]
    .map(|(outcome, second)| answered(&base, outcome, second))
    .to_vec();
    writes.push(answered(&other, Outcome::Trusted, 1));
    server.fail([Fault::Unheard, Fault::Away]);

    let ran = run(&server, writes).await;

    assert_eq!(ran.done.len(), 7);
    assert_eq!(ran.notices, ["a trusted", "a untrusted"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_tells_nothing_new_costs_no_request() {
    let server = Server::default();
    let base = server.keep("a", &known("a", Verdict::Trusted));
    let mut write = answered(&base, Outcome::Trusted, 1);
    let Change::Answered(answer, _) = &mut write.change else {
        panic!("it is an answer");
    };
    answer.requested_at = at(-11);

    let ran = run(&server, vec![write]).await;

    assert_eq!(server.asked(), Vec::<String>::new());
    assert_eq!((ran.count("ok"), ran.notices.len()), (1, 0));
}
