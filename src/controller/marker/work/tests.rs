//! What is due, and in which order.

use serde_json::json;

use super::*;
use crate::controller::fixture::{entry, kept, node, now, snapshot, usable};
use crate::domain::Carried;

fn carries(name: &str, trust: Option<&str>, condition: Option<(&str, &str)>) -> Tracked {
    let mut tracked = node(name, "b");
    tracked.node.carried = Carried {
        trust: trust.map(str::to_owned),
        pool: trust.map(|_| "default".to_owned()),
        taint: None,
        condition: condition.map(|(status, reason)| (status.to_owned(), reason.to_owned())),
    };
    tracked
}

fn trusted(node: Tracked) -> Entry {
    let kept = kept(&node, Verdict::Trusted, Reason::Attested);
    entry(Some(node), Some(kept))
}

fn due(work: &mut Work) -> Vec<String> {
    std::iter::from_fn(|| work.pop())
        .map(|job| job.name.to_string())
        .collect()
}

#[test]
fn losses_go_before_gains_and_gains_before_conditions() {
    let lost = carries("lost", Some("trusted"), None);
    let bad = kept(&lost, Verdict::Untrusted, Reason::FailedAttestation);
    let all = snapshot([
        (
            "condition",
            trusted(carries("condition", Some("trusted"), None)),
        ),
        ("gain", trusted(carries("gain", None, None))),
        ("lost", entry(Some(lost), Some(bad))),
        (
            "right",
            trusted(carries(
                "right",
                Some("trusted"),
                Some(("True", "Attested")),
            )),
        ),
    ]);
    let (mut work, setup) = (Work::default(), usable());

    assert_eq!(work.look(&all, &setup, now(5)), Some(now(6).uptime));
    work.look(&all, &setup, now(6));

    assert_eq!(due(&mut work), ["lost", "gain", "condition"]);
}

#[test]
fn a_node_whose_write_is_under_way_or_not_yet_seen_is_left_alone() {
    let all = snapshot([("a", trusted(carries("a", None, None)))]);
    let (mut work, setup) = (Work::default(), usable());
    work.look(&all, &setup, now(5));
    let job = work.pop().unwrap();

    work.look(&all, &setup, now(6));
    assert!(work.pop().is_none(), "under way");
    work.finish(&job, Some("2".to_owned()));
    work.look(&all, &setup, now(7));
    assert!(work.pop().is_none(), "older than what was written");

    work.look(&all, &setup, now(8));
    let mut newer = carries("a", None, None);
    newer.version = "3".to_owned();
    work.look(&snapshot([("a", trusted(newer))]), &setup, now(9));
    assert_eq!(due(&mut work), ["a"], "somebody took the label off again");
}

#[test]
fn a_write_that_failed_is_due_again() {
    let all = snapshot([("a", trusted(carries("a", None, None)))]);
    let (mut work, setup) = (Work::default(), usable());
    work.look(&all, &setup, now(5));
    let job = work.pop().unwrap();
    work.finish(&job, None);
    work.look(&all, &setup, now(6));

    assert_eq!(due(&mut work), ["a"]);
}

#[test]
fn a_lapse_that_ends_unseen_changes_the_condition_there_and_back() {
    let (mut work, setup) = (Work::default(), usable());
    let right = || carries("a", Some("trusted"), Some(("True", "Attested")));
    work.look(&snapshot([("a", trusted(right()))]), &setup, now(5));
    assert!(work.pop().is_none());

    // The attestation ran out at 1,800 and another came, and no look was made in between.
    let node = right();
    let mut renewed = kept(&node, Verdict::Trusted, Reason::Attested);
    renewed.record.expires_at = Some(now(3_700).wall);
    let all = snapshot([("a", entry(Some(node), Some(renewed.clone())))]);
    work.look(&all, &setup, now(1_900));
    let job = work.pop().unwrap();
    assert_eq!(job.mark, Mark::Condition("Unknown", Reason::Expired));
    work.finish(&job, Some("2".to_owned()));

    let mut flipped = carries("a", Some("trusted"), Some(("Unknown", "Expired")));
    flipped.version = "2".to_owned();
    let all = snapshot([("a", entry(Some(flipped), Some(renewed)))]);
    work.look(&all, &setup, now(1_901));
    work.look(&all, &setup, now(1_902));
    let job = work.pop().unwrap();
    assert_eq!(job.mark, Mark::Condition("True", Reason::Attested));
}

#[test]
fn nothing_is_written_while_the_node_or_its_pool_is_paused_or_unreadable() {
    let a = carries("a", None, None);
    let plain = kept(&a, Verdict::Trusted, Reason::Attested);
    let mut ordered = plain.clone();
    ordered.orders.paused = true;
    let mut paused = usable();
    paused.pools[0].pool.paused = true;
    let mut unreadable = usable();
    unreadable.unreadable = vec!["default".into()];
    for (kept, setup) in [(&ordered, usable()), (&plain, paused), (&plain, unreadable)] {
        let all = snapshot([("a", entry(Some(a.clone()), Some(kept.clone())))]);
        let mut work = Work::default();
        work.look(&all, &setup, now(5));

        assert!(work.pop().is_none());
        let name = NodeName::from("a");
        assert!(change(&all, &setup, &name, &a).is_empty());
    }
}

#[test]
fn what_a_node_lacks_is_worked_out_anew_from_what_it_is_after_a_conflict() {
    let setup = usable();
    let all = snapshot([("a", trusted(carries("a", None, None)))]);
    let name = NodeName::from("a");
    let tainted = json!({"key": "x", "effect": "NoSchedule"});
    let mut met = carries("a", Some("trusted"), None);
    met.taints.push(tainted.as_object().unwrap().clone());

    assert!(!change(&all, &setup, &name, &carries("a", Some("unknown"), None)).is_empty());
    assert!(change(&all, &setup, &name, &met).is_empty());
}
