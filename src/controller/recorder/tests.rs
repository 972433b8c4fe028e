//! The order of writes, and whole runs.

mod run;

use super::*;

fn write(name: &str, is_loss: bool) -> Write {
    let facts = Facts {
        pool: None,
        identity: Err(crate::domain::Reason::NotInPool),
        readiness: crate::domain::Readiness::Ready,
        network_at_fault: false,
        returned: false,
    };
    Write {
        name: name.into(),
        change: Change::Observed(Box::new(facts)),
        base: Arc::default(),
        is_loss,
    }
}

fn names(queue: &mut Queue) -> Vec<String> {
    std::iter::from_fn(|| queue.pop())
        .map(|write| write.name.to_string())
        .collect()
}

#[test]
fn losses_are_written_before_gains() {
    let mut queue = Queue::default();
    for (name, is_loss) in [("a", false), ("b", true), ("c", false), ("d", true)] {
        queue.push(write(name, is_loss));
    }

    assert_eq!(names(&mut queue), ["b", "d", "a", "c"]);
}

#[test]
fn a_node_has_one_write_at_a_time_and_the_next_goes_on_from_it() {
    let mut queue = Queue::default();
    queue.push(write("a", false));
    queue.push(write("a", true));
    queue.push(write("b", false));
    assert_eq!(names(&mut queue), ["a", "b"]);

    let kept = Kept {
        version: "7".to_owned(),
        ..Kept::default()
    };
    queue.finish(&Done {
        name: "a".into(),
        kept: Some(Arc::new(kept)),
    });

    let next = queue.pop().unwrap();
    assert_eq!((next.name.as_str(), next.base.version.as_str()), ("a", "7"));
    assert!(queue.pop().is_none());
}

/// An answer about a node that is untrusted, and the record before it.
fn good_answer() -> Write {
    let incarnation = crate::domain::Incarnation::default();
    let seen = crate::domain::fixtures::at(0);
    let record = Record {
        verdict: Verdict::Untrusted,
        reason: crate::domain::Reason::FailedAttestation,
        incarnation: Some(incarnation.clone()),
        incarnation_seen_at: Some(seen),
        ..Record::default()
    };
    let answer = Answer {
        outcome: crate::domain::Outcome::Trusted,
        asked: incarnation,
        requested_at: seen,
        evidence_at: None,
    };
    let base = Kept {
        record,
        version: "1".to_owned(),
        ..Kept::default()
    };
    Write {
        name: "a".into(),
        change: Change::Answered(Box::new(answer), Box::new(crate::domain::fixtures::pool())),
        base: Arc::new(base),
        is_loss: false,
    }
}

#[test]
fn invariant_2_an_answer_whose_write_went_through_unheard_is_not_counted_again() {
    let write = good_answer();
    let now = crate::domain::fixtures::at(1);
    let sent = write.change.apply(&write.base, now);
    let settled = |there: &Record| {
        let base = Kept {
            record: there.clone(),
            ..Kept::clone(&write.base)
        };
        let job = Job {
            base: Arc::new(base),
            sent: Some(sent.clone()),
            ..Job::from(write.clone())
        };
        job.settled(now)
    };

    assert_eq!((sent.verdict, sent.streak), (Verdict::Untrusted, 1));
    assert_eq!(settled(&sent), Some(Settled::AsSent), "unheard");
    let not_written = settled(&write.base.record);
    assert_eq!(not_written, None, "the write is to be tried again");
    let rebooted = settled(&Record::default());
    assert_eq!(rebooted, Some(Settled::Overtaken));
}
