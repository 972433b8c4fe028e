//! What pools and services say of themselves, case by case.

use jiff::SignedDuration;
use kube::api::DynamicObject;
use serde_json::json;

use super::*;
use crate::controller::fixture::{at, entry, kept, node, objects, pool as raw_pool, snapshot};
use crate::controller::setup::setup;
use crate::domain::Reason;
use crate::store::{Entry, Kept};
use crate::watch::Event;

fn configured(pools: &[DynamicObject]) -> Setup {
    let mut objects = objects();
    for pool in pools {
        let name = pool.metadata.name.clone().unwrap();
        objects.pools.follow(Event::Applied((name, pool.clone())));
    }
    let clock = crate::clock::Clock::system();
    setup(&objects, &Setup::default(), &clock)
}

/// A node whose verdict was asked for in `second`.
fn attested(name: &str, verdict: Verdict, second: i64) -> Entry {
    let reason = match verdict {
        Verdict::Trusted => Reason::Attested,
        Verdict::Unknown => Reason::Expired,
        Verdict::Untrusted => Reason::FailedAttestation,
    };
    let node = node(name, "b");
    let mut kept: Kept = kept(&node, verdict, reason);
    kept.record.requested_at = Some(at(second));
    entry(Some(node), Some(kept))
}

/// A round that took so many milliseconds from second 0 on.
fn round(millis: i64) -> Round {
    Round {
        pool: "default".into(),
        started: at(0),
        ended: after(at(0), SignedDuration::from_millis(millis)),
        asked: 3,
        verdicts: 3,
        silent: Vec::new(),
    }
}

/// What the pool `name` says of itself.
fn said(setup: &Setup, name: &str, tale: &Tale, round: Option<&Round>) -> TrustPoolStatus {
    let state = &setup.pool_states[name];
    let of = &setup.pool(&name.into()).unwrap().pool;
    let known = Some((of, tale, Breaker::Closed));
    pool(state, known, round, Judge::default(), at(1_000))
}

/// `status/Reason: message` of a condition.
fn condition(status: &TrustPoolStatus, kind: &str) -> String {
    let mut all = status.conditions.iter();
    let found = all.find(|condition| condition.type_ == kind).unwrap();
    format!("{}/{}: {}", found.status, found.reason, found.message)
}

#[test]
fn a_round_is_too_long_once_it_takes_the_whole_interval() {
    let setup = configured(&[raw_pool("default", &json!({"refresh": {"interval": "5m"}}))]);
    let too_long = |millis| {
        let status = said(&setup, "default", &Tale::default(), Some(&round(millis)));
        condition(&status, "RoundTooLong")
    };

    let fine = "False/AsExpected: rounds end within their interval";
    assert_eq!(too_long(299_999), fine);
    let said = too_long(300_000);
    let expected = "True/RoundTooLong: the last round took 300 s and the interval is 300 s";
    assert!(said.starts_with(expected), "{said}");
    assert!(said.contains("batch.maxInFlight"), "what to do: {said}");
    let outage = Round {
        verdicts: 0,
        ..round(300_000)
    };
    let told = self::said(&setup, "default", &Tale::default(), Some(&outage));
    assert_eq!(condition(&told, "RoundTooLong"), fine, "it is the service");
}

#[test]
fn a_pool_says_when_its_last_round_ended_and_one_interval_after_its_start_the_next() {
    let setup = configured(&[raw_pool("default", &json!({"refresh": {"interval": "2m"}}))]);
    let tale = Tale::default();

    let before = said(&setup, "default", &tale, None);
    let after = said(&setup, "default", &tale, Some(&round(7_900)));

    let fine = "False/AsExpected: rounds end within their interval";
    assert_eq!(condition(&before, "RoundTooLong"), fine);
    assert_eq!((before.last_round, before.next_round), (None, None));
    assert_eq!(after.last_round, Some(Time(at(7))), "in whole seconds");
    assert_eq!(after.next_round, Some(Time(at(120))));
}

#[test]
fn a_pool_that_withholds_something_says_what() {
    let table = [
        (json!({}), "every part"),
        (json!({"dryRun": true}), "dry run"),
        (json!({"dryRun": true, "paused": true}), "paused"),
    ];
    for (spec, begins) in table {
        let setup = configured(&[raw_pool("default", &spec)]);
        let ready = condition(&said(&setup, "default", &Tale::default(), None), "Ready");

        let expected = format!("True/AsExpected: {begins}");
        assert!(ready.starts_with(&expected), "{spec}: {ready}");
    }
}

#[test]
fn the_oldest_verdict_is_one_that_counts_and_whose_node_exists() {
    let setup = configured(&[]);
    let gone = kept(&node("gone", "b"), Verdict::Trusted, Reason::Attested);
    let all = snapshot([
        ("a", attested("a", Verdict::Trusted, 30)),
        ("b", attested("b", Verdict::Untrusted, 20)),
        ("c", attested("c", Verdict::Unknown, 10)),
        ("fresh", entry(Some(node("fresh", "b")), None)),
        ("gone", entry(None, Some(gone))),
    ]);

    let tale = &tales(&all, &setup)[&"default".into()];
    let status = said(&setup, "default", tale, None);

    assert_eq!(status.oldest_verdict, Some(Time(at(20))));
    let nodes = Nodes {
        total: 4,
        trusted: 1,
        untrusted: 1,
        unknown: 2,
    };
    assert_eq!(status.nodes, nodes);
    let nobody = said(&setup, "default", &Tale::default(), None);
    assert_eq!(nobody.oldest_verdict, None);
}

#[test]
fn the_younger_of_two_pools_that_select_a_node_says_that_they_overlap() {
    let mut older = raw_pool("older", &json!({}));
    let created = serde_json::from_value(json!("2025-01-01T00:00:00Z")).unwrap();
    older.metadata.creation_timestamp = Some(created);
    let setup = configured(&[older]);
    let all = snapshot([
        ("a", attested("a", Verdict::Trusted, 30)),
        ("b", attested("b", Verdict::Trusted, 30)),
        ("gone", entry(None, None)),
    ]);

    let tales = tales(&all, &setup);
    let overlapping = |name: &str| {
        let status = said(&setup, name, &tales[&name.into()], None);
        (condition(&status, "Overlapping"), status.nodes.total)
    };

    let fine = "False/AsExpected: no older pool keeps a node that this one selects";
    assert_eq!(overlapping("older"), (fine.to_owned(), 2));
    let kept = "True/OlderPoolKeepsNodes: 2 nodes that this pool selects are in an older pool";
    assert_eq!(overlapping("default"), (kept.to_owned(), 0));
}

#[test]
fn what_repeats_itself_is_equal_and_so_costs_no_write() {
    let tale = Tale {
        oldest: Some(at(3)),
        ..Tale::default()
    };
    let first = configured(&[]);
    let told = said(&first, "default", &tale, Some(&round(7_900)));

    let mut raw = raw_pool("default", &json!({}));
    raw.data["status"] = serde_json::to_value(&told).unwrap();
    let second = configured(&[raw]);
    let state = &second.pool_states["default"];
    let of = &second.pool(&"default".into()).unwrap().pool;
    let known = Some((of, &tale, Breaker::Closed));
    let again = pool(
        state,
        known,
        Some(&round(7_900)),
        Judge::default(),
        at(2_000),
    );

    assert_eq!(again, told);
}

#[test]
fn a_pool_that_was_never_readable_says_what_is_wrong_and_nothing_else() {
    let setup = configured(&[raw_pool("default", &json!({"validity": "soon"}))]);

    let status = pool(
        &setup.pool_states["default"],
        None,
        None,
        Judge::default(),
        at(0),
    );

    let said = condition(&status, "Ready");
    assert!(said.starts_with("False/InvalidSpec: "), "{said}");
    assert!(said.contains("spec.validity"), "{said}");
    assert_eq!(status.conditions.len(), 1);
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn the_last_success_is_exact_while_requests_fail_and_else_costs_few_writes() {
    let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let at = |seconds| after(begin, SignedDuration::from_secs(seconds));
    for (failures, success, expected) in [(0, 59, 0), (0, 60, 60), (1, 59, 59)] {
        let health = ServiceHealth {
            last_success: Some(at(success)),
            failures,
            last_error: None,
        };

        let status = service(&answered(begin), Some(&health), at(100));

        let expected = Some(Time(at(expected)));
        assert_eq!(status.last_success, expected, "{failures} failures");
    }
}

/// A service whose status says when it last answered.
fn answered(at: Timestamp) -> State<AttestationService> {
    let raw = json!({
        "apiVersion": "trustpool.dev/v1alpha1",
        "kind": "AttestationService",
        "metadata": {"name": "oat", "generation": 1},
        "spec": {"openAttestation": {"url": "https://oat:8443", "tls": {}}},
        "status": {"lastSuccess": at.to_string()},
    });
    let raw: DynamicObject = serde_json::from_value(raw).unwrap();
    State {
        generation: Some(1),
        object: Some(raw.clone().try_parse().unwrap()),
        raw,
        trouble: None,
    }
}
