//! What one look does, without a request being sent.

use prometheus_client::registry::Registry;

use super::*;
use crate::controller::fixture::{at, entry, kept, node, snapshot, usable};
use crate::domain::{Outcome, Reason, Verdict};

/// Nobody listens to it.
fn attestor(setup: &Arc<Setup>) -> Attestor {
    let metrics = Metrics::register(&mut Registry::default());
    Attestor {
        reader: crate::store::channel().1,
        setup: watch::channel(Arc::clone(setup)).1,
        writes: mpsc::unbounded_channel().0,
        done: mpsc::unbounded_channel().1,
        progress: watch::Sender::default(),
        forget: mpsc::channel(1).0,
        events: Events::channel(metrics.clone()).0,
        clock: Clock::system(),
        metrics,
    }
}

/// What [`Attestor::ask`] is about to send.
fn about_to_ask(desk: &Desk, setup: &Setup, second: i64) -> Vec<Batch> {
    let services = setup.services.values().map(|it| it.service.clone());
    let services: Vec<_> = services.collect();
    plan(
        &desk.agenda,
        &desk.cases.members(setup),
        &services,
        at(second),
    )
    .start
}

/// The last answer of a round came, and before anybody looked the next round was due.
#[tokio::test]
async fn a_round_ends_before_the_next_begins_however_soon_that_is() {
    let setup = Arc::new(usable());
    let attestor = attestor(&setup);
    let mut desk = Desk::default();
    let a = node("a", "b");
    let trusted = kept(&a, Verdict::Trusted, Reason::Attested);
    let all = snapshot([("a", entry(Some(a), Some(trusted)))]);
    desk.cases.look(&all, &setup, at(300));

    for second in [300, 600] {
        let batches = about_to_ask(&desk, &setup, second);
        attestor.ask(&mut desk, &setup, at(second));
        assert_eq!(batches.len(), 1);
        desk.agenda
            .answered(&batches[0], &[("a".into(), Outcome::Trusted)]);
    }

    let progress = attestor.progress.borrow();
    let round = &progress.rounds[&"default".into()];
    assert_eq!((round.asked, round.started), (1, at(300)));
}
