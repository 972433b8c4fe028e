//! What is chosen about the policies is what is expected, and nothing else.

use super::*;

const WEBHOOK: (&str, &str) = ("ValidatingWebhookConfiguration", "bind.trustpool.dev");

/// The webhook configuration of `group` as a cluster shows it, with `annotations`, and `bundle` in each webhook.
fn webhooks(expected: &Expected, annotations: &Value, bundle: Option<&str>) -> Value {
    let mut live = expected.content.clone();
    live["metadata"] = json!({"annotations": annotations});
    for webhook in live["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"]["caBundle"] = json!(bundle);
    }
    live
}

fn webhook(without: Group) -> Expected {
    let choice = Choice {
        groups: groups(without),
        ..Choice::default()
    };
    find(chosen(&choice), WEBHOOK.0, WEBHOOK.1)
}

#[test]
fn a_bundle_of_our_own_is_what_was_published_and_no_annotation_hides_another() {
    const ANNOTATION: &str = "metadata.annotations[trustpool.dev/ca-bundle]";
    const FIRST: &str = "webhooks[0].clientConfig.caBundle";
    let own = webhook(Group::WebhookGiven);
    let given = json!({"trustpool.dev/ca-bundle": "given"});
    let known = [BUNDLE.to_owned(), "bmV4dA==".to_owned()];
    let table = [
        (json!(null), Some(BUNDLE), None),
        (json!({"a": "b"}), Some("bmV4dA=="), None),
        (
            json!({"trustpool.dev/ca-bundle": "ours"}),
            Some(BUNDLE),
            None,
        ),
        (json!(null), Some("Zm9yZWlnbg=="), Some(FIRST)),
        (json!(null), None, Some(FIRST)),
        (given.clone(), Some(BUNDLE), Some(ANNOTATION)),
        (given, Some("Zm9yZWlnbg=="), Some(ANNOTATION)),
    ];
    for (annotations, bundle, expected) in table {
        let live = webhooks(&own, &annotations, bundle);
        let found = own.difference(&live, &known);
        assert_eq!(found.as_deref(), expected, "{annotations} {bundle:?}");
    }
    let mut one = webhooks(&own, &json!(null), Some(BUNDLE));
    one["webhooks"][2]["clientConfig"]["caBundle"] = json!("Zm9yZWlnbg==");
    let path = "webhooks[2].clientConfig.caBundle";
    assert_eq!(own.difference(&one, &known).as_deref(), Some(path));
    assert_eq!(own.difference(&one, &[]), None, "nobody knows yet");
}

#[test]
fn a_bundle_that_is_given_is_not_ours_to_judge_but_has_to_say_so() {
    let given = webhook(Group::Webhook);
    let says = json!({"trustpool.dev/ca-bundle": "given"});
    let known = [BUNDLE.to_owned()];
    let live = webhooks(&given, &says, Some("Zm9yZWlnbg=="));
    assert_eq!(given.difference(&live, &known), None);
    let live = webhooks(&given, &json!(null), Some(BUNDLE));
    let path = "metadata.annotations[trustpool.dev/ca-bundle]";
    assert_eq!(given.difference(&live, &known).as_deref(), Some(path));
}

#[test]
fn a_url_is_the_one_that_was_chosen_with_its_port_and_no_query() {
    let choice = Choice {
        url: Some("https://gate.example.org:9471/".parse().unwrap()),
        ..Choice::default()
    };
    let expected = find(chosen(&choice), WEBHOOK.0, WEBHOOK.1);
    let asked = |url: &str| {
        let config = json!({"url": url, "caBundle": "b3Vycw=="});
        let live = with(&expected, "/webhooks/0/clientConfig", Some(config));
        difference(&expected, &live)
    };
    assert_eq!(asked("https://gate.example.org:9471/bind/required"), None);
    for other in [
        "https://gate.example.org/bind/required",
        "https://gate.example.org:9472/bind/required",
        "https://gate.example.org:9471/bind/required?a=b",
        "https://gate.example.org:9471/bind/audit",
        "https://other.example.org:9471/bind/required",
        "http://gate.example.org:9471/bind/required",
    ] {
        let path = asked(other);
        assert_eq!(
            path.as_deref(),
            Some("webhooks[0].clientConfig.url"),
            "{other}"
        );
    }
    let service = one(WEBHOOK.0, WEBHOOK.1);
    let path = "webhooks[0].clientConfig.url";
    assert_eq!(
        difference(&expected, &service.content).as_deref(),
        Some(path)
    );
}

#[test]
fn a_url_is_https_and_has_nothing_after_the_port() {
    for (text, host) in [
        ("https://gate.example.org", "gate.example.org"),
        ("https://127.0.0.1:9471/", "127.0.0.1"),
        ("https://[::1]:9471", "::1"),
    ] {
        assert_eq!(text.parse::<GateUrl>().unwrap().host(), host);
    }
    for text in [
        "",
        "gate.example.org",
        "http://gate.example.org",
        "https://gate.example.org/bind",
        "https://gate.example.org//",
        "https://gate.example.org?a",
    ] {
        text.parse::<GateUrl>().unwrap_err();
    }
}

#[test]
fn the_startup_taint_is_for_the_nodes_that_were_chosen() {
    let text = r#"{"matchExpressions": [{"key": "a", "operator": "Exists", "values": []}], "matchLabels": {}}"#;
    let choice = Choice {
        groups: groups(Group::WebhookGiven),
        selector: text.parse().unwrap(),
        ..Choice::default()
    };
    let expected = find(
        chosen(&choice),
        "MutatingAdmissionPolicy",
        "startup-taint.trustpool.dev",
    );
    let is = |selector: Value| {
        let pointer = "/spec/matchConstraints/objectSelector";
        difference(&expected, &with(&expected, pointer, Some(selector)))
    };
    let chosen = json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]});
    assert_eq!(is(chosen), None);
    for other in [
        json!({}),
        json!({"matchExpressions": [{"key": "b", "operator": "Exists"}]}),
        json!({"matchExpressions": [{"key": "a", "operator": "Exists"}], "matchLabels": {"a": "b"}}),
    ] {
        assert!(is(other.clone()).is_some(), "{other}");
    }
    let others = all(NAMESPACE).into_iter().zip(super::chosen(&choice));
    let differ = others.filter(|(one, other)| one.content != other.content);
    assert_eq!(differ.count(), 1, "it is of that policy alone");
    for text in ["", "[]", r#"{"matchLabel": {}}"#] {
        text.parse::<Selector>().unwrap_err();
    }
}
