//! What is written when, and in which order.

mod rows;
mod same;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::api::Selector;
use crate::api::trust_pool::NodeSelector;
use crate::controller::setup::PoolSetup;
use crate::domain::pool::{OnExpiry, Share, Taint, TrustAgain};
use crate::domain::{Carried, Incarnation, Node, Pool, Readiness, Record, Standing, Verdict};
use crate::store::Kept;

/// So many milliseconds after the start.
fn at(millis: u64) -> Now {
    let uptime = Duration::from_millis(millis);
    let start = Timestamp::from_second(1_000_000).unwrap();
    let wall = start + SignedDuration::try_from(uptime).unwrap();
    Now { uptime, wall }
}

fn setup() -> Arc<Setup> {
    let pool = Pool {
        name: "default".into(),
        created: at(0).wall,
        service: "oat".into(),
        validity: SignedDuration::from_mins(30),
        interval: SignedDuration::from_mins(5),
        min_interval: SignedDuration::from_secs(30),
        silent_after: 2,
        taint_untrusted: Taint::NoSchedule,
        taint_unknown: Taint::None,
        on_expiry: OnExpiry::Keep,
        max_untrusted: Share::Percent(20),
        trust_again: TrustAgain::Verdicts(2),
        startup_taint: false,
        dry_run: false,
        paused: false,
    };
    let selector = Selector::try_from(&NodeSelector::default()).unwrap();
    Arc::new(Setup {
        complete: true,
        pools: vec![PoolSetup { pool, selector }],
        ..Setup::default()
    })
}

/// A node with this verdict, as both watches show it when it carries `trust` and `condition`.
fn entry(name: &str, verdict: Verdict, trust: Option<&str>, condition: Option<&str>) -> Entry {
    let reason = match verdict {
        Verdict::Trusted => Reason::Attested,
        Verdict::Unknown => Reason::HostSilent,
        Verdict::Untrusted => Reason::FailedAttestation,
    };
    let carried = Carried {
        trust: trust.map(str::to_owned),
        pool: trust.map(|_| "default".to_owned()),
        taint: None,
        unattested: false,
        condition: condition.map(|status| (status.to_owned(), reason.as_str().to_owned())),
    };
    let node = Node {
        name: name.into(),
        uid: "u".to_owned(),
        labels: std::collections::BTreeMap::new(),
        readiness: Readiness::Ready,
        boot_id: "b".to_owned(),
        machine_id: "m".to_owned(),
        system_uuid: "s".to_owned(),
        carried,
    };
    let record = Record {
        pool: Some("default".into()),
        verdict,
        reason,
        incarnation: Some(Incarnation {
            uid: node.uid.clone(),
            boot_id: node.boot_id.clone(),
            machine_id: node.machine_id.clone(),
            system_uuid: node.system_uuid.clone(),
            ..Incarnation::default()
        }),
        requested_at: Some(at(0).wall),
        expires_at: Some(at(1_000_000).wall),
        ..Record::default()
    };
    Entry {
        standing: Standing::missing(),
        node: Some(Arc::new(Tracked {
            node,
            version: "1".to_owned(),
            taints: Vec::new(),
        })),
        trust: Some(Arc::new(Kept {
            record,
            version: "1".to_owned(),
            ..Kept::default()
        })),
    }
}

fn snapshot(entries: Vec<(&str, Entry)>) -> Snapshot {
    let named = |(name, entry): (&str, Entry)| (NodeName::from(name), entry);
    entries.into_iter().map(named).collect()
}

/// Everything that may be written now, by name.
fn pop_all(work: &mut Work) -> Vec<Job> {
    std::iter::from_fn(|| work.pop()).collect()
}

fn names(jobs: &[Job]) -> Vec<&str> {
    let mut names: Vec<_> = jobs.iter().map(|job| job.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn losses_come_first_then_gains_and_conditions_two_at_a_time() {
    use Verdict::{Trusted, Untrusted};
    let mut work = Work::default();
    let marked = |name| (name, entry(name, Trusted, Some("trusted"), None));
    let nodes = snapshot(vec![
        ("gain", entry("gain", Trusted, None, None)),
        ("loss", entry("loss", Untrusted, Some("trusted"), None)),
        marked("a"),
        marked("b"),
        marked("c"),
    ]);
    let setup = setup();
    assert_eq!(
        work.look(&nodes, &setup, at(0)),
        Some(Duration::from_secs(1))
    );
    assert_eq!(work.look(&nodes, &setup, at(1_000)), None);

    let jobs = pop_all(&mut work);

    assert_eq!(jobs.len(), 4);
    assert_eq!(
        [jobs[0].name.as_str(), jobs[1].name.as_str()],
        ["loss", "gain"]
    );
    assert!(jobs[2].mark.is_condition() && jobs[3].mark.is_condition());
    work.finish(&jobs[2], Some("2".to_owned()), at(1_100).uptime);
    assert_eq!(pop_all(&mut work).len(), 1, "the third condition");
}

#[test]
fn a_node_whose_writes_fail_is_left_alone_longer_each_time() {
    let mut work = Work::default();
    let nodes = snapshot(vec![("a", entry("a", Verdict::Trusted, None, None))]);
    let setup = setup();
    work.look(&nodes, &setup, at(0));
    let jobs = pop_all(&mut work);
    assert_eq!(names(&jobs), ["a"]);
    work.finish(&jobs[0], None, at(10).uptime);

    let again = work.look(&nodes, &setup, at(20));
    assert_eq!(again, Some(Duration::from_millis(1_010)));
    assert_eq!(names(&pop_all(&mut work)), Vec::<&str>::new());

    work.look(&nodes, &setup, at(1_010));
    let jobs = pop_all(&mut work);
    assert_eq!(names(&jobs), ["a"]);
    work.finish(&jobs[0], None, at(1_020).uptime);
    let again = work.look(&nodes, &setup, at(1_030));
    assert_eq!(again, Some(Duration::from_millis(3_020)));

    work.look(&nodes, &setup, at(3_020));
    let jobs = pop_all(&mut work);
    work.finish(&jobs[0], Some("0".to_owned()), at(3_030).uptime);
    work.look(&nodes, &setup, at(3_030));
    let jobs = pop_all(&mut work);
    work.finish(&jobs[0], None, at(3_040).uptime);
    let again = work.look(&nodes, &setup, at(3_050));
    assert_eq!(again, Some(Duration::from_millis(4_040)), "anew");
}

#[test]
fn a_node_is_looked_at_again_when_it_the_rules_or_the_time_changed_and_not_before() {
    let mut work = Work::default();
    let mut nodes = Snapshot::default();
    for name in ["a", "b"] {
        let lost = entry(name, Verdict::Untrusted, Some("untrusted"), Some("False"));
        nodes.put(name.into(), lost);
    }
    let paused = |setup: &Setup| {
        let mut pools = setup.pools.clone();
        pools[0].pool.paused = true;
        Arc::new(Setup {
            complete: true,
            pools,
            ..Setup::default()
        })
    };
    let all = setup();
    work.look(&nodes, &paused(&all), at(0));
    assert!(pop_all(&mut work).is_empty(), "the pool is paused");

    work.look(&nodes, &all, at(25));
    assert!(pop_all(&mut work).is_empty(), "the breaker is open");

    for name in ["c", "d", "e", "f", "g", "h", "i", "j"] {
        let good = entry(name, Verdict::Trusted, Some("trusted"), Some("True"));
        nodes.put(name.into(), good);
    }
    work.look(&nodes, &all, at(50));
    let jobs = pop_all(&mut work);
    assert_eq!(names(&jobs), ["a", "b"], "the breaker is closed: taints");

    work.look(&nodes, &all, at(75));
    assert!(pop_all(&mut work).is_empty(), "both are being written");
}

#[test]
fn what_a_later_look_finds_takes_the_place_of_what_waits() {
    let mut work = Work::default();
    let gain = snapshot(vec![("a", entry("a", Verdict::Trusted, None, None))]);
    let loss = snapshot(vec![("a", entry("a", Verdict::Untrusted, None, None))]);
    let setup = setup();
    for nodes in [&gain, &loss, &gain, &loss] {
        work.look(nodes, &setup, at(0));
    }

    let jobs = pop_all(&mut work);

    assert_eq!(names(&jobs), ["a"], "once");
    let Mark::Labels(change) = &jobs[0].mark else {
        panic!("{:?}", jobs[0].mark);
    };
    assert_eq!(change.trust, Some(Some(Verdict::Untrusted)));
    assert_eq!(work.look(&Snapshot::default(), &setup, at(25)), None);
    work.finish(&jobs[0], None, at(30).uptime);
    work.look(&Snapshot::default(), &setup, at(50));
    assert!(work.nodes.is_empty(), "a Node that is gone is forgotten");
}

#[test]
fn no_loss_waits_for_a_condition_or_a_gain_that_fails() {
    let setup = setup();
    let carried = |verdict, label| snapshot(vec![("a", entry("a", verdict, label, None))]);
    for label in [Some("trusted"), None] {
        let mut work = Work::default();
        for second in [0, 2_000, 4_000, 8_000] {
            work.look(&carried(Verdict::Trusted, label), &setup, at(second));
            for job in pop_all(&mut work) {
                work.finish(&job, None, at(second).uptime);
            }
        }
        work.look(
            &carried(Verdict::Untrusted, Some("trusted")),
            &setup,
            at(8_100),
        );

        let jobs = pop_all(&mut work);
        assert_eq!(names(&jobs), ["a"], "{label:?}");
        assert!(!jobs[0].mark.is_condition());
    }
}
