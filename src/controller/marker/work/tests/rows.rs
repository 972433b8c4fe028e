//! What a node lacks, and when nothing is written though it lacks something.

use std::sync::Arc;

use serde_json::json;

use super::super::rules::change;
use super::super::{Mark, Work};
use crate::controller::fixture::{entry, kept, node, now, snapshot, usable};
use crate::domain::{Carried, NodeName, Reason, Verdict};
use crate::store::{Entry, Kept, Tracked};

fn carries(name: &str, trust: Option<&str>, condition: Option<(&str, &str)>) -> Tracked {
    let mut tracked = node(name, "b");
    tracked.node.carried = Carried {
        trust: trust.map(str::to_owned),
        pool: trust.map(|_| "default".to_owned()),
        taint: None,
        unattested: false,
        condition: condition.map(|(status, reason)| (status.to_owned(), reason.to_owned())),
    };
    tracked
}

fn trusted(node: Tracked) -> Entry {
    let kept = kept(&node, Verdict::Trusted, Reason::Attested);
    entry(Some(node), Some(kept))
}

#[test]
fn a_lapse_that_ends_unseen_changes_the_condition_there_and_back() {
    let (mut work, setup) = (Work::default(), Arc::new(usable()));
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
    work.finish(&job, Some("2".to_owned()), now(1_900).uptime);

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
    let mut foreign = plain.clone();
    foreign.foreign = true;
    let table = [
        (&ordered, usable()),
        (&foreign, usable()),
        (&plain, paused),
        (&plain, unreadable),
    ];
    for (kept, setup) in table {
        let setup = Arc::new(setup);
        let all = snapshot([("a", entry(Some(a.clone()), Some(kept.clone())))]);
        let mut work = Work::default();
        work.look(&all, &setup, now(5));

        assert!(work.pop().is_none());
        let name = NodeName::from("a");
        assert!(change(&all, &setup, (&name, &a), now(5).wall).is_empty());
    }
}

#[test]
fn what_a_node_lacks_is_worked_out_anew_from_what_it_is_after_a_conflict() {
    let setup = Arc::new(usable());
    let all = snapshot([("a", trusted(carries("a", None, None)))]);
    let name = NodeName::from("a");
    let tainted = json!({"key": "x", "effect": "NoSchedule"});
    let mut met = carries("a", Some("trusted"), None);
    met.taints.push(tainted.as_object().unwrap().clone());

    let lacks = |node: &Tracked| change(&all, &setup, (&name, node), now(5).wall);
    assert!(!lacks(&carries("a", Some("unknown"), None)).is_empty());
    assert!(lacks(&met).is_empty());
}

/// The attestor is about to write what became of it; until then the record tells of another.
#[test]
fn invariant_2_no_node_is_labelled_for_what_was_attested_of_another() {
    type Change = fn(&mut Tracked, &mut Kept);
    let table: [(&str, Change, bool); 7] = [
        ("as it was attested", |_, _| {}, true),
        ("re-created", |node, _| node.node.uid.push('2'), false),
        ("rebooted", |node, _| node.node.boot_id.push('2'), false),
        (
            "expired",
            |_, kept| kept.record.expires_at = Some(now(5).wall),
            false,
        ),
        (
            "not to be",
            |_, kept| kept.record.requested_at = Some(now(3_600).wall),
            false,
        ),
        (
            "distrusted",
            |_, kept| kept.orders.distrust = Some("why".to_owned()),
            false,
        ),
        ("of nobody", |_, kept| kept.record.incarnation = None, false),
    ];
    for (what, make, labelled) in table {
        let setup = Arc::new(usable());
        let mut node = carries("a", None, None);
        let mut kept = kept(&node, Verdict::Trusted, Reason::Attested);
        make(&mut node, &mut kept);
        let all = snapshot([("a", entry(Some(node.clone()), Some(kept)))]);
        let mut work = Work::default();
        work.look(&all, &setup, now(5));

        assert_eq!(work.pop().is_some(), labelled, "{what}");
        let read = change(&all, &setup, (&"a".into(), &node), now(5).wall);
        assert_eq!(!read.is_empty(), labelled, "{what}, read after a conflict");
    }
}
