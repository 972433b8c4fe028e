//! What the controller is told to expect is what the chart installs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use trustpool::policies::{Choice, Expected, Group, expected};

use super::golden::setups;
use super::render::{Document, NAMESPACE, rendered};

/// The value of a flag of the controller.
fn flag(documents: &[Document], name: &str) -> String {
    let mut controllers = documents
        .iter()
        .filter(|it| it.kind() == "Deployment" && it.name() == "trustpool-controller");
    let container = "/spec/template/spec/containers/0/args";
    let arguments = controllers.next().unwrap().object.pointer(container);
    let mut arguments = arguments.unwrap().as_array().unwrap().iter();
    let found = arguments.find_map(|it| it.as_str()?.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_default().to_owned()
}

/// What the controller is told of what was chosen.
fn choice(documents: &[Document]) -> Choice {
    let selector = flag(documents, "--startup-taint-selector");
    let mut choice = Choice {
        groups: flag(documents, "--expect-policies").parse().unwrap(),
        ..Choice::default()
    };
    if !selector.is_empty() {
        choice.selector = selector.parse().unwrap();
    }
    choice
}

fn is_watched(document: &Document) -> bool {
    let of = document.say("/apiVersion");
    of.starts_with("admissionregistration.k8s.io/")
}

#[tokio::test]
async fn each_setup_expects_what_it_installs_and_no_more() {
    for (name, documents) in setups().await {
        let namespace = flag(&documents, "--namespace");
        let expected = expected(&choice(&documents), &namespace).unwrap();
        let mut left: BTreeMap<(&str, &str), &Expected> = expected
            .iter()
            .map(|it| ((it.kind.as_str(), it.name.as_str()), it))
            .collect();
        for document in documents.iter().filter(|it| is_watched(it)) {
            let key = (document.kind(), document.name());
            let expected = left.remove(&key);
            let expected = expected.unwrap_or_else(|| panic!("{name}: {key:?} is not expected"));
            assert_eq!(
                expected.difference(&document.object, &[]),
                None,
                "{name}: {key:?}"
            );
        }
        assert!(
            left.is_empty(),
            "{name}: {:?} are not installed",
            left.keys()
        );
    }
}

#[tokio::test]
async fn the_controller_may_read_what_it_may_have_to_expect_and_nothing_else_of_the_kind() {
    let all: Vec<&str> = Group::ALL.into_iter().map(Group::as_str).collect();
    let choice = Choice {
        groups: all.join(",").parse().unwrap(),
        ..Choice::default()
    };
    let all = expected(&choice, NAMESPACE).unwrap();
    let plural = |kind: &str| match kind.strip_suffix('y') {
        Some(stem) => format!("{}ies", stem.to_lowercase()),
        None => format!("{}s", kind.to_lowercase()),
    };
    let expected: BTreeSet<String> = all
        .iter()
        .map(|it| format!("{}/{}", plural(&it.kind), it.name))
        .collect();
    let documents = rendered(&[]).await;
    let mut roles = documents
        .iter()
        .filter(|it| it.kind() == "ClusterRole" && it.name() == "trustpool-controller");
    let role = roles.next().unwrap();
    let mut granted = BTreeSet::new();
    for rule in role.object["rules"].as_array().unwrap() {
        let words = |key: &str| -> Vec<String> {
            let words = rule[key].as_array().into_iter().flatten();
            words.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        if words("apiGroups") == ["admissionregistration.k8s.io"] {
            assert!(words("verbs").contains(&"get".to_owned()), "{rule}");
            let names = words("resourceNames");
            assert!(!names.is_empty(), "{rule}");
            for resource in words("resources") {
                granted.extend(names.iter().map(|name| format!("{resource}/{name}")));
            }
        }
    }
    assert_eq!(granted, expected);
}
