//! The rules of a verdict, as tables and a second time as a slow specification.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;
use crate::provider::openattestation::wire::entries;

/// Asked at 1000 s, answered at 1010 s, clocks 5 s apart at most.
fn window() -> Window {
    Window {
        requested_at: at(1_000_000),
        answered_at: at(1_010_000),
        max_skew: SignedDuration::from_secs(5),
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

fn ask(hosts: &[&str], reply: &Value) -> Reply {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let entries = entries(reply.to_string().as_bytes()).unwrap();
    judge(&entries, &hosts, window())
}

fn reply(answers: Vec<Answer>, unasked: usize) -> Reply {
    Reply {
        answers,
        unasked,
        requested_at: window().requested_at,
        answered_at: window().answered_at,
    }
}

#[test]
fn the_level_and_the_time_of_the_only_entry_make_the_answer() {
    let verdict = |outcome, millis| Answer {
        outcome,
        evidence_at: Some(at(millis)),
    };
    let without = Answer::without;
    let inside = json!(1_005_123);
    let table = [
        (
            json!("trusted"),
            inside.clone(),
            verdict(Outcome::Trusted, 1_005_123),
        ),
        (
            json!("untrusted"),
            inside.clone(),
            verdict(Outcome::Untrusted, 1_005_123),
        ),
        (
            json!("unknown"),
            inside.clone(),
            without(Outcome::HostUnknown),
        ),
        (
            json!("timeout"),
            inside.clone(),
            without(Outcome::HostTimeout),
        ),
        (
            json!("pending"),
            inside.clone(),
            without(Outcome::HostPending),
        ),
        (json!("unknown"), json!(null), without(Outcome::HostUnknown)),
        (json!("timeout"), json!(0), without(Outcome::HostTimeout)),
        (
            json!("Trusted"),
            inside.clone(),
            without(Outcome::UnknownLevel),
        ),
        (
            json!("TRUSTED"),
            inside.clone(),
            without(Outcome::UnknownLevel),
        ),
        (
            json!("trusted "),
            inside.clone(),
            without(Outcome::UnknownLevel),
        ),
        (json!(""), inside.clone(), without(Outcome::UnknownLevel)),
        (json!(true), inside.clone(), without(Outcome::UnknownLevel)),
        (
            json!(["trusted"]),
            inside.clone(),
            without(Outcome::UnknownLevel),
        ),
        (json!(null), inside, without(Outcome::UnknownLevel)),
        (json!("trusted"), json!(null), without(Outcome::BadTime)),
        (json!("untrusted"), json!("soon"), without(Outcome::BadTime)),
        (json!("trusted"), json!(994_999), without(Outcome::Stale)),
        (
            json!("trusted"),
            json!(995_000),
            verdict(Outcome::Trusted, 995_000),
        ),
        (
            json!("trusted"),
            json!(1_015_000),
            verdict(Outcome::Trusted, 1_015_000),
        ),
        (json!("trusted"), json!(1_015_001), without(Outcome::Future)),
        (json!("untrusted"), json!(994_999), without(Outcome::Stale)),
        (
            json!("trusted"),
            json!("0001-01-01T00:00:00+14:00"),
            without(Outcome::Stale),
        ),
        (
            json!("trusted"),
            json!("9999-12-30T00:00:00Z"),
            without(Outcome::Future),
        ),
    ];
    for (level, time, expected) in table {
        let body = json!({"hosts": [{"host_name": "a", "trust_lvl": level, "vtime": time}]});
        assert_eq!(ask(&["a"], &body), reply(vec![expected], 0), "{body}");
    }
}

#[test]
fn an_entry_without_its_keys_is_about_nobody_or_has_no_level() {
    let unknown = Answer::without(Outcome::UnknownLevel);
    let missing = Answer::without(Outcome::Missing);

    let table = [
        (json!({"host_name": "a"}), unknown, 0),
        (
            json!({"trust_lvl": "trusted", "vtime": 1_005_000}),
            missing,
            1,
        ),
        (
            json!({"host_name": ["a"], "trust_lvl": "trusted", "vtime": 1_005_000}),
            missing,
            1,
        ),
        (
            json!({"host_name": {}, "trust_lvl": "unknown", "vtime": 1_005_000}),
            missing,
            1,
        ),
        (json!("a"), missing, 1),
        (json!(null), missing, 1),
    ];
    for (entry, expected, unasked) in table {
        let body = json!({"hosts": [entry]});
        assert_eq!(ask(&["a"], &body), reply(vec![expected], unasked), "{body}");
    }
}

#[test]
fn answers_come_in_the_order_of_the_question_and_others_are_counted() {
    let entry = |host: &str, level: &str| json!({"host_name": host, "trust_lvl": level, "vtime": 1_005_000});
    let body = json!({"hosts": [
        entry("d", "trusted"), entry("evil", "trusted"), entry("A", "trusted"),
        entry("b", "trusted"), entry("d", "trusted"), entry("c", "untrusted"), entry("d", "x"),
    ]});
    let verdict = |outcome| Answer {
        outcome,
        evidence_at: Some(at(1_005_000)),
    };

    assert_eq!(
        ask(&["a", "b", "c", "d"], &body),
        reply(
            vec![
                Answer::without(Outcome::Missing),
                verdict(Outcome::Trusted),
                verdict(Outcome::Untrusted),
                Answer::without(Outcome::Duplicate),
            ],
            2
        )
    );
}

#[test]
fn extreme_windows_do_not_panic() {
    let ends = [Timestamp::MIN, Timestamp::MAX];
    let skews = [
        SignedDuration::MIN,
        SignedDuration::ZERO,
        SignedDuration::MAX,
    ];
    for (requested_at, answered_at) in ends.into_iter().zip(ends).chain([(ends[1], ends[0])]) {
        for max_skew in skews {
            let window = Window {
                requested_at,
                answered_at,
                max_skew,
            };
            for time in ends {
                // Only that it returns is of interest.
                assert!(window.check(time).is_ok() || max_skew < SignedDuration::MAX);
            }
        }
    }
}

/// Says whether `reply` calls `host` trusted, the long way round: exactly one entry of that very
/// name, the word, and a time in the window.
fn is_trusted(reply: &Value, host: &str) -> bool {
    let entries = match &reply["hosts"] {
        Value::Array(entries) => entries.clone(),
        entry @ Value::Object(_) => vec![entry.clone()],
        _ => vec![],
    };
    let about: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["host_name"] == json!(host))
        .collect();
    let [entry] = about[..] else {
        return false;
    };
    let time = match &entry["vtime"] {
        Value::Number(millis) => millis.as_i64(),
        Value::String(text) => text
            .parse::<Timestamp>()
            .ok()
            .map(Timestamp::as_millisecond),
        _ => None,
    };
    let in_window = time.is_some_and(|millis| (995_000..=1_015_000).contains(&millis));
    entry["trust_lvl"] == json!("trusted") && in_window
}

fn any_name() -> impl Strategy<Value = Value> {
    let names = [
        json!("a"),
        json!("b"),
        json!("A"),
        json!("a "),
        json!("c"),
        json!(null),
    ];
    select(names.to_vec())
}

fn any_level() -> impl Strategy<Value = Value> {
    let trusted = Just(json!("trusted"));
    let words = [
        "untrusted",
        "unknown",
        "timeout",
        "pending",
        "Trusted",
        "true",
        "",
    ];
    prop_oneof![
        3 => trusted,
        1 => select(words.to_vec()).prop_map(|word| json!(word)),
        1 => select(vec![json!(null), json!(true), json!({"trusted": "trusted"})]),
    ]
}

fn any_time() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (994_000..1_016_000_i64).prop_map(|millis| json!(millis)),
        4 => (994_000..1_016_000_i64).prop_map(|millis| json!(at(millis).to_string())),
        1 => any::<i64>().prop_map(|millis| json!(millis)),
        1 => select(vec![json!(null), json!(1.5e6), json!("1970-01-01T00:16:45"), json!("1005000")]),
    ]
}

fn any_entry() -> impl Strategy<Value = Value> {
    let object = (any_name(), any_level(), any_time()).prop_map(|(name, level, time)| {
        json!({"host_name": name, "trust_lvl": level, "vtime": time, "pcr_values": [{}]})
    });
    prop_oneof![9 => object, 1 => select(vec![json!(1), json!("a"), json!({}), json!(["a"])])]
}

proptest! {
    #[test]
    fn a_host_is_trusted_exactly_if_the_slow_specification_says_so(
        list in proptest::collection::vec(any_entry(), 0..6),
        single: bool,
    ) {
        let body = match (single, &list[..]) {
            (true, [entry @ Value::Object(_)]) => json!({"hosts": entry}),
            _ => json!({"hosts": list}),
        };

        let given = ask(&["a", "b"], &body);

        for (host, answer) in ["a", "b"].into_iter().zip(&given.answers) {
            let trusted = answer.outcome == Outcome::Trusted;
            prop_assert_eq!(trusted, is_trusted(&body, host), "{} {}", host, body);
            prop_assert_eq!(answer.evidence_at.is_some(), answer.outcome.is_verdict());
        }
        let asked = [json!("a"), json!("b")];
        let unasked = list.iter().filter(|entry| !asked.contains(&entry["host_name"])).count();
        prop_assert_eq!(given.unasked, unasked);
    }

    #[test]
    fn no_bytes_make_a_verdict_or_a_panic(body: Vec<u8>) {
        if let Ok(entries) = entries(&body) {
            let reply = judge(&entries, &["a".to_owned()], window());
            prop_assert!(!reply.answers[0].outcome.is_verdict());
        }
    }
}
