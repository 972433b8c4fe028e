//! What counts as a difference, and what does not.

use std::collections::BTreeSet;

use super::*;

mod chosen;

/// What is published.
const BUNDLE: &str = "b3Vycw==";

/// Every group, with the webhooks of one kind or the other.
fn groups(without: Group) -> Groups {
    let all = Group::ALL.into_iter();
    Groups(all.filter(|group| *group != without).collect())
}

fn chosen(choice: &Choice) -> Vec<Expected> {
    expected(choice, NAMESPACE).unwrap()
}

fn all(namespace: &str) -> Vec<Expected> {
    let choice = Choice {
        groups: groups(Group::WebhookGiven),
        ..Choice::default()
    };
    expected(&choice, namespace).unwrap()
}

fn find(all: Vec<Expected>, kind: &str, name: &str) -> Expected {
    let mut all = all.into_iter();
    all.find(|it| it.kind == kind && it.name == name).unwrap()
}

fn one(kind: &str, name: &str) -> Expected {
    find(all(NAMESPACE), kind, name)
}

/// The path of the first difference, whatever was published.
fn difference(expected: &Expected, live: &Value) -> Option<String> {
    expected.difference(live, &[])
}

/// `expected` as a cluster would show it, with one field put to `value`, or taken out.
fn with(expected: &Expected, pointer: &str, value: Option<Value>) -> Value {
    let mut live = expected.content.clone();
    let (path, key) = pointer.rsplit_once('/').unwrap();
    match (live.pointer_mut(path).unwrap(), value) {
        (Value::Array(items), Some(value)) if key == "-" => items.push(value),
        (Value::Array(items), None) => drop(items.remove(key.parse().unwrap())),
        (Value::Object(fields), Some(value)) => drop(fields.insert(key.to_owned(), value)),
        (Value::Object(fields), None) => drop(fields.remove(key).unwrap()),
        other => panic!("{pointer}: {other:?}"),
    }
    live
}

#[test]
fn what_is_as_expected_does_not_differ() {
    let all = all(NAMESPACE);
    assert!(all.len() > 40, "{}", all.len());
    for expected in all {
        assert_eq!(
            difference(&expected, &expected.content),
            None,
            "{expected:?}"
        );
        let nothing = difference(&expected, &json!({}));
        assert!(nothing.is_some(), "{expected:?}");
    }
}

#[test]
fn no_object_is_expected_twice() {
    let all = all(NAMESPACE);
    let names: BTreeSet<_> = all.iter().map(|it| (&it.kind, &it.name)).collect();
    assert_eq!(names.len(), all.len());
}

#[test]
fn the_first_field_that_differs_is_named() {
    const POLICY: (&str, &str) = ("ValidatingAdmissionPolicy", "pods.trustpool.dev");
    const BINDING: (&str, &str) = ("ValidatingAdmissionPolicyBinding", "pods.trustpool.dev");
    const MUTATING: (&str, &str) = ("MutatingAdmissionPolicy", "require.trustpool.dev");
    const STARTUP: (&str, &str) = ("MutatingAdmissionPolicy", "startup-taint.trustpool.dev");
    const WEBHOOK: (&str, &str) = ("ValidatingWebhookConfiguration", "bind.trustpool.dev");
    let table = [
        (
            POLICY,
            "/spec/failurePolicy",
            Some(json!("Ignore")),
            "spec.failurePolicy",
        ),
        (POLICY, "/spec/failurePolicy", None, "spec.failurePolicy"),
        (
            POLICY,
            "/spec/validations/0/expression",
            Some(json!("true")),
            "spec.validations[0].expression",
        ),
        (POLICY, "/spec/validations/1", None, "spec.validations"),
        (
            POLICY,
            "/spec/matchConditions/-",
            Some(json!({"name": "never", "expression": "false"})),
            "spec.matchConditions",
        ),
        (
            POLICY,
            "/spec/matchConstraints/excludeResourceRules",
            Some(json!([{}])),
            "spec.matchConstraints.excludeResourceRules",
        ),
        (
            POLICY,
            "/spec/matchConstraints/objectSelector",
            Some(json!({"matchLabels": {"a": "b"}})),
            "spec.matchConstraints.objectSelector",
        ),
        (
            POLICY,
            "/spec/matchConstraints/matchPolicy",
            Some(json!("Exact")),
            "spec.matchConstraints.matchPolicy",
        ),
        (
            POLICY,
            "/spec/paramKind",
            Some(json!({"kind": "A"})),
            "spec.paramKind",
        ),
        (
            BINDING,
            "/spec/validationActions/0",
            None,
            "spec.validationActions",
        ),
        (
            BINDING,
            "/spec/validationActions",
            Some(json!(["Warn"])),
            "spec.validationActions[0]",
        ),
        (
            BINDING,
            "/spec/policyName",
            Some(json!("other")),
            "spec.policyName",
        ),
        (
            BINDING,
            "/spec/matchResources",
            Some(json!({"namespaceSelector": {}})),
            "spec.matchResources",
        ),
        (
            MUTATING,
            "/spec/mutations/0/jsonPatch/expression",
            Some(json!("[]")),
            "spec.mutations[0].jsonPatch.expression",
        ),
        (
            WEBHOOK,
            "/webhooks/1/failurePolicy",
            Some(json!("Ignore")),
            "webhooks[1].failurePolicy",
        ),
        (WEBHOOK, "/webhooks/0", None, "webhooks"),
        (
            WEBHOOK,
            "/webhooks/0/matchConditions",
            Some(json!([{"name": "never", "expression": "false"}])),
            "webhooks[0].matchConditions",
        ),
        (
            WEBHOOK,
            "/webhooks/0/clientConfig/service/name",
            Some(json!("other")),
            "webhooks[0].clientConfig.service.name",
        ),
        (
            WEBHOOK,
            "/webhooks/0/clientConfig",
            Some(json!({"url": "https://trustpool-gate.trustpool-system.svc/bind/required"})),
            "webhooks[0].clientConfig.service",
        ),
        (
            WEBHOOK,
            "/webhooks/0/clientConfig/url",
            Some(json!("https://gate.example.org:9471/bind/required")),
            "webhooks[0].clientConfig.url",
        ),
        (
            WEBHOOK,
            "/webhooks/0/clientConfig/service/port",
            Some(json!(8443)),
            "webhooks[0].clientConfig.service.port",
        ),
        (
            STARTUP,
            "/spec/matchConstraints/objectSelector",
            Some(json!({"matchLabels": {"a": "b"}})),
            "spec.matchConstraints.objectSelector.matchLabels",
        ),
    ];
    for ((kind, name), pointer, value, path) in table {
        let expected = one(kind, name);
        let live = with(&expected, pointer, value);
        assert_eq!(
            difference(&expected, &live).as_deref(),
            Some(path),
            "{pointer}"
        );
    }
}

#[test]
fn what_the_api_server_adds_makes_no_difference() {
    let policy = ("ValidatingAdmissionPolicy", "pods.trustpool.dev");
    let webhook = ("ValidatingWebhookConfiguration", "bind.trustpool.dev");
    let table = [
        (
            policy,
            "/spec/matchConstraints/matchPolicy",
            json!("Equivalent"),
        ),
        (
            policy,
            "/spec/matchConstraints/namespaceSelector",
            json!({}),
        ),
        (
            policy,
            "/spec/matchConstraints/resourceRules/0/scope",
            json!("*"),
        ),
        (policy, "/status", json!({"observedGeneration": 1})),
        (policy, "/metadata", json!({"labels": {"a": "b"}})),
        (
            webhook,
            "/webhooks/0/clientConfig/caBundle",
            json!("bm9uZQ=="),
        ),
        (webhook, "/webhooks/0/objectSelector", json!({})),
    ];
    for ((kind, name), pointer, value) in table {
        let expected = one(kind, name);
        let live = with(&expected, pointer, Some(value));
        assert_eq!(difference(&expected, &live), None, "{pointer}");
    }
}

#[test]
fn the_texts_follow_the_namespace() {
    for namespace in ["trust", "123"] {
        for expected in all(namespace) {
            assert!(
                !expected.content.to_string().contains(NAMESPACE),
                "{expected:?}"
            );
        }
    }
    let webhook = one("ValidatingWebhookConfiguration", "bind.trustpool.dev");
    let elsewhere = expected(&Choice::default(), "123").unwrap();
    let elsewhere = elsewhere.iter().find(|it| it.kind == webhook.kind).unwrap();
    let path = "webhooks[0].clientConfig.service.namespace";
    assert_eq!(
        difference(elsewhere, &webhook.content).as_deref(),
        Some(path)
    );
    let selector = "/webhooks/0/namespaceSelector/matchExpressions/3/values/1";
    assert_eq!(elsewhere.content.pointer(selector), Some(&json!("123")));
}

#[test]
fn groups_are_read_as_they_are_typed() {
    let all: Groups = "extender,mutating,startup-taint,unmutated,validating,webhook,webhook-given"
        .parse()
        .unwrap();
    assert_eq!(all, Groups(Group::ALL.into()));
    let own = groups(Group::WebhookGiven);
    assert!(all.iter().eq(own.iter()), "the stricter of the two");
    assert_eq!("".parse::<Groups>().unwrap(), Groups(BTreeSet::new()));
    let error = "validating,routing".parse::<Groups>().unwrap_err();
    assert!(error.to_string().contains("`routing`"), "{error}");
    assert!(error.to_string().contains("startup-taint"), "{error}");
}
