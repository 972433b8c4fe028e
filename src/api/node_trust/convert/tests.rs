//! A record survives its status, and no rounding trusts more.

use jiff::SignedDuration;
use kube::api::ObjectMeta;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::api::node_trust::{Distrust, NodeTrustSpec};
use crate::domain::{Outcome, Reason};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + millis).unwrap()
}

fn stored(record: &Record) -> Record {
    Record::from(&NodeTrustStatus::of(record, &[], Some(1), at(0)))
}

fn second() -> impl Strategy<Value = Timestamp> {
    (0_i64..4_000_000_000).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn reason() -> impl Strategy<Value = Reason> {
    prop::sample::select(vec![
        Reason::Attested,
        Reason::Distrusted,
        Reason::Expired,
        Reason::FailedAttestation,
        Reason::HostChanged,
        Reason::HostConflict,
        Reason::HostSilent,
        Reason::IdentityConflict,
        Reason::InvalidHost,
        Reason::NeverAttested,
        Reason::NoBootID,
        Reason::NotInPool,
        Reason::NotReady,
        Reason::Rebooted,
        Reason::Recreated,
    ])
}

fn incarnation() -> impl Strategy<Value = Incarnation> {
    let parts = prop::array::uniform6("[a-z0-9:/.-]{0,40}");
    parts.prop_map(
        |[url, host, uid, boot_id, machine_id, system_uuid]| Incarnation {
            url,
            host,
            uid,
            boot_id,
            machine_id,
            system_uuid,
        },
    )
}

prop_compose! {
    fn whole_record()(
        pool in option::of("[a-z]{1,63}"),
        service in option::of("[a-z]{1,63}"),
        verdict in prop::sample::select(vec![Verdict::Trusted, Verdict::Unknown, Verdict::Untrusted]),
        reason in reason(),
        incarnation in option::of(incarnation()),
        times in prop::array::uniform5(option::of(second())),
        streak in any::<u32>(),
        hold in option::of((reason(), second())),
        attempt in option::of((second(), prop::sample::select(Outcome::ALL.to_vec()))),
    ) -> Record {
        let [incarnation_seen_at, ready_since, requested_at, evidence_at, expires_at] = times;
        Record {
            pool: pool.as_deref().map(PoolName::from),
            service: service.as_deref().map(ServiceName::from),
            verdict,
            reason,
            incarnation,
            incarnation_seen_at,
            ready_since,
            requested_at,
            evidence_at,
            expires_at,
            streak,
            hold: hold.map(|(reason, since)| Hold { reason, since }),
            last_attempt: attempt.map(|(at, outcome)| Attempt { at, outcome }),
        }
    }
}

proptest! {
    #[test]
    fn a_record_of_whole_seconds_survives_its_status_as_json(record in whole_record()) {
        let status = NodeTrustStatus::of(&record, &[], Some(1), at(0));

        let json = serde_json::to_string(&status).unwrap();
        let read: NodeTrustStatus = serde_json::from_str(&json).unwrap();

        prop_assert_eq!(&read, &status);
        prop_assert_eq!(Record::from(&read), record);
    }

    #[test]
    fn rounding_never_trusts_more(seen in 0_i64..5_000, requested in 0_i64..5_000, expires in 0_i64..5_000) {
        let record = Record {
            incarnation_seen_at: Some(at(seen)),
            requested_at: Some(at(requested)),
            expires_at: Some(at(expires)),
            ..Record::default()
        };

        let rounded = stored(&record);

        let counted = seen < requested;
        let counts = rounded.incarnation_seen_at <= rounded.requested_at;
        prop_assert!(rounded.requested_at <= record.requested_at);
        prop_assert!(rounded.expires_at <= record.expires_at);
        prop_assert!(counted || rounded.incarnation_seen_at >= record.incarnation_seen_at);
        prop_assert!(!counted || counts, "{:?}", rounded);
        prop_assert_eq!(&stored(&rounded), &rounded);
    }
}

#[test]
fn every_time_is_rounded_to_the_side_that_trusts_less() {
    let record = Record {
        incarnation_seen_at: Some(at(1_200)),
        ready_since: Some(at(1_500)),
        requested_at: Some(at(3_700)),
        evidence_at: Some(at(3_900)),
        expires_at: Some(at(9_999)),
        hold: Some(Hold {
            reason: Reason::IdentityConflict,
            since: at(2_500),
        }),
        last_attempt: Some(Attempt {
            at: at(3_999),
            outcome: Outcome::Trusted,
        }),
        ..Record::default()
    };

    let expected = Record {
        incarnation_seen_at: Some(at(2_000)),
        ready_since: Some(at(1_000)),
        requested_at: Some(at(3_000)),
        evidence_at: Some(at(3_000)),
        expires_at: Some(at(9_000)),
        hold: Some(Hold {
            reason: Reason::IdentityConflict,
            since: at(2_000),
        }),
        last_attempt: Some(Attempt {
            at: at(3_000),
            outcome: Outcome::Trusted,
        }),
        ..record.clone()
    };
    assert_eq!(stored(&record), expected);
}

#[test]
fn a_question_sent_in_the_second_in_which_the_node_was_first_seen_goes_on_counting() {
    let record = |seen, requested| Record {
        incarnation_seen_at: Some(at(seen)),
        requested_at: Some(at(requested)),
        ..Record::default()
    };

    assert_eq!(stored(&record(1_200, 1_700)), record(1_000, 1_000));
    assert_eq!(stored(&record(1_700, 1_200)), record(2_000, 1_000));
}

#[test]
fn the_condition_tells_verdict_and_reason_and_since_when() {
    let record = |verdict, reason| Record {
        verdict,
        reason,
        ..Record::default()
    };
    let hour = at(0) + SignedDuration::from_hours(1);
    let told = |status: &NodeTrustStatus| {
        let condition = status.conditions.first().unwrap();
        let Condition {
            status,
            reason,
            last_transition_time,
            ..
        } = condition.clone();
        (status, reason, last_transition_time.0)
    };

    let trusted = record(Verdict::Trusted, Reason::Attested);
    let trusted = NodeTrustStatus::of(&trusted, &[], Some(1), at(0));
    let expired = record(Verdict::Unknown, Reason::Expired);
    let expired = NodeTrustStatus::of(&expired, &trusted.conditions, Some(1), hour);
    let failed = record(Verdict::Untrusted, Reason::FailedAttestation);
    let failed = NodeTrustStatus::of(&failed, &[], Some(1), hour);

    assert_eq!(
        told(&trusted),
        ("True".to_owned(), "Attested".to_owned(), at(0))
    );
    assert_eq!(
        told(&expired),
        ("Unknown".to_owned(), "Expired".to_owned(), hour)
    );
    assert_eq!(
        told(&failed),
        ("False".to_owned(), "FailedAttestation".to_owned(), hour)
    );
    assert_eq!(expired.message, Reason::Expired.message());
}

#[test]
fn orders_are_what_the_spec_and_the_annotation_say() {
    let object = |annotation: &str| NodeTrust {
        metadata: ObjectMeta {
            name: Some("node-1".to_owned()),
            annotations: Some([(keys::ATTEST.to_owned(), annotation.to_owned())].into()),
            ..ObjectMeta::default()
        },
        spec: NodeTrustSpec {
            host: Some("rack7".to_owned()),
            distrust: Some(Distrust {
                reason: "stolen".to_owned(),
            }),
            accept: Some(Time(at(0))),
            paused: true,
        },
        status: None,
    };
    let orders = Orders {
        host: Some("rack7".to_owned()),
        distrust: Some("stolen".to_owned()),
        accept: Some(at(0)),
        attest: Some(at(0)),
        paused: true,
    };

    let readable = object("2023-11-14T22:13:20Z");
    let unreadable = object("now");

    assert_eq!(Orders::from(&readable), orders);
    assert_eq!(
        Orders::from(&unreadable),
        Orders {
            attest: None,
            ..orders
        }
    );
    assert_eq!(
        unreadable.attest().unwrap_err().to_string(),
        "metadata.annotations[trustpool.dev/attest]: must be a time in RFC 3339, such as \
         2026-01-31T12:00:00Z (given: now)"
    );
    assert_eq!(Record::from(&readable), Record::default());
}
