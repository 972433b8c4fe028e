//! What pods that wait are told.

mod told;

use serde_json::json;

use super::*;
use crate::controller::fixture::{entry, kept, node, now, snapshot, usable};
use crate::domain::{Reason, Verdict};
use crate::store::Entry;

fn seen(name: &str, verdict: Verdict, reason: Reason) -> Entry {
    let node = node(name, "b");
    let kept = kept(&node, verdict, reason);
    entry(Some(node), Some(kept))
}

#[test]
fn nodes_are_counted_by_what_the_gates_say_of_them_and_not_by_their_label() {
    let gone = kept(&node("gone", "b"), Verdict::Trusted, Reason::Attested);
    let all = snapshot([
        ("a", seen("a", Verdict::Trusted, Reason::Attested)),
        (
            "b",
            seen("b", Verdict::Untrusted, Reason::FailedAttestation),
        ),
        (
            "c",
            seen("c", Verdict::Untrusted, Reason::FailedAttestation),
        ),
        ("d", seen("d", Verdict::Unknown, Reason::NeverAttested)),
        ("fresh", entry(Some(node("fresh", "b")), None)),
        ("gone", entry(None, Some(gone))),
    ]);
    let setup = usable();

    let before = counts(&all, &setup, now(5));
    let after = counts(&all, &setup, now(2_000));

    assert_eq!(note(None, &before, &setup), None, "there is a trusted one");
    let said = "0 of 5 nodes of pool default are trusted: 1 expired, 2 never attested, 2 untrusted";
    assert_eq!(note(None, &after, &setup).as_deref(), Some(said));
}

#[test]
fn a_pool_that_is_not_there_is_named_and_one_without_nodes_says_so() {
    let mut setup = usable();
    let none = BTreeMap::new();
    let empty = "0 of 0 nodes of pool default are trusted";
    assert_eq!(note(None, &none, &setup).as_deref(), Some(empty));
    assert_eq!(note(Some("default"), &none, &setup).as_deref(), Some(empty));
    let missing = "there is no trust pool `other`";
    assert_eq!(note(Some("other"), &none, &setup).as_deref(), Some(missing));

    setup.pools.clear();
    let missing = "there is no trust pool";
    assert_eq!(note(None, &none, &setup).as_deref(), Some(missing));
}

#[test]
fn the_event_is_about_the_very_pod() {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "waits", "namespace": "shop", "uid": "u", "resourceVersion": "7"},
    });
    let about = reference(&serde_json::from_value(pod).unwrap());

    assert_eq!(about.name.as_deref(), Some("waits"));
    assert_eq!(about.namespace.as_deref(), Some("shop"));
    assert_eq!(about.uid.as_deref(), Some("u"));
}

#[test]
fn a_pod_is_told_of_the_pool_that_the_filter_would_hold_it_to() {
    let asking = |pool_label: Option<&str>, pool_annotation: Option<&str>| {
        let pod = json!({
            "apiVersion": "meta.k8s.io/v1",
            "kind": "PartialObjectMetadata",
            "metadata": {
                "labels": {keys::REQUIRE: "trusted", keys::REQUIRE_POOL: pool_label},
                "annotations": {keys::REQUIRE_POOL: pool_annotation},
            },
        });
        let mut pod = pod;
        for part in ["labels", "annotations"] {
            let words = pod["metadata"][part].as_object_mut().unwrap();
            words.retain(|_, value| !value.is_null());
        }
        let pod: PartialObjectMeta<Pod> = serde_json::from_value(pod).unwrap();
        Waiting::from(&pod)
            .note(&BTreeMap::new(), &usable())
            .unwrap()
    };

    let empty = "0 of 0 nodes of pool default are trusted";
    assert_eq!(asking(None, None), empty);
    assert_eq!(asking(None, Some("default")), empty);
    let missing = "there is no trust pool `other`";
    assert_eq!(asking(Some("other"), None), missing);
    assert_eq!(asking(None, Some("other")), missing);
    assert_eq!(asking(Some("default"), Some("other")), CONTRADICTION);
}
