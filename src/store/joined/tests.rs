//! The join, event by event.

use std::time::Duration;

use super::*;
use crate::domain::fixtures::{self, at};
use crate::domain::{Incarnation, Node, Reason, Refusal, Verdict};

fn now(second: u32) -> Now {
    Now {
        uptime: Duration::from_secs(u64::from(second)),
        wall: at(i64::from(second)),
    }
}

fn node(boot: &str) -> (NodeName, Arc<Tracked>) {
    let node = Node {
        boot_id: boot.to_owned(),
        ..fixtures::node()
    };
    (
        "a".into(),
        Arc::new(Tracked {
            node,
            version: "1".to_owned(),
            taints: Vec::new(),
        }),
    )
}

/// Trusted from 0 to 100 seconds, for boot `b`.
fn trust() -> (NodeName, Arc<Kept>) {
    let incarnation = Incarnation {
        uid: "u".to_owned(),
        boot_id: "b".to_owned(),
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
        ..Incarnation::default()
    };
    let record = Record {
        verdict: Verdict::Trusted,
        reason: Reason::Attested,
        incarnation: Some(incarnation),
        requested_at: Some(at(0)),
        expires_at: Some(at(100)),
        ..Record::default()
    };
    (
        "a".into(),
        Arc::new(Kept {
            record,
            ..Kept::default()
        }),
    )
}

fn verdict(joined: &Joined, now: Now) -> Option<Result<(), Refusal>> {
    joined
        .snapshot()
        .standing("a")
        .map(|standing| standing.check(now))
}

#[test]
fn a_node_missing_from_either_watch_is_refused() {
    let mut joined = Joined::default();
    assert_eq!(verdict(&joined, now(1)), None);

    joined.trust(Event::Applied(trust()), now(1));
    assert_eq!(verdict(&joined, now(1)), Some(Err(Refusal::NeverAttested)));

    joined.node(Event::Applied(node("b")), now(1));
    assert_eq!(verdict(&joined, now(1)), Some(Ok(())));

    joined.trust(Event::Deleted(trust()), now(1));
    assert_eq!(verdict(&joined, now(1)), Some(Err(Refusal::NeverAttested)));

    joined.node(Event::Deleted(node("b")), now(1));
    assert_eq!(verdict(&joined, now(1)), None);
}

#[test]
fn a_reboot_refuses_before_the_record_says_so() {
    let mut joined = Joined::default();
    joined.trust(Event::Applied(trust()), now(1));
    joined.node(Event::Applied(node("b")), now(1));

    joined.node(Event::Applied(node("b2")), now(2));

    assert_eq!(verdict(&joined, now(2)), Some(Err(Refusal::Changed)));
}

#[test]
fn a_new_listing_drops_what_it_does_not_show() {
    let mut joined = Joined::default();
    joined.node(Event::Applied(node("b")), now(1));

    for event in [Event::Started, Event::Listed] {
        joined.node(event, now(2));
    }

    assert_eq!(verdict(&joined, now(2)), None);
}

#[test]
fn an_attestation_shown_again_is_no_younger() {
    let mut joined = Joined::default();
    joined.node(Event::Applied(node("b")), now(1));
    joined.trust(Event::Applied(trust()), now(1));
    let shown_again = Now {
        uptime: Duration::from_secs(90),
        wall: at(1),
    };

    joined.trust(Event::Applied(trust()), shown_again);

    let later = Now {
        uptime: Duration::from_secs(100),
        wall: at(1),
    };
    assert_eq!(verdict(&joined, later), Some(Err(Refusal::Expired)));
}
