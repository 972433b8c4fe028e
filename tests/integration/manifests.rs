//! The policies keep the rules that every policy must keep, and say the names that the code says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trustpool::api::keys;

/// Every name of ours in a label, annotation, taint or resource.
const NAMES: [&str; 8] = [
    keys::HOST,
    keys::NOT_TRUSTED,
    keys::POOL,
    keys::REQUIRE,
    keys::REQUIRE_POOL,
    keys::RESOURCE,
    keys::TRUST,
    keys::UNATTESTED,
];

/// What else begins so: the group of the API, names of resources in it, names of policies and webhooks, and what
/// only namespaces carry.
fn is_other(name: &str, objects: &BTreeSet<String>) -> bool {
    let resources = ["attestationservices", "nodetrusts", "trustpools"];
    name == "trustpool.dev"
        || name == "trustpool.dev/gate"
        || name == keys::SERVICE
        || name == "trustpool.dev/v1alpha1"
        || objects.contains(name)
        || resources
            .iter()
            .any(|resource| name == format!("{resource}.trustpool.dev"))
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every file of `manifests` and `manifests/optional`, by its path.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for path in ["manifests", "manifests/optional"] {
        for entry in std::fs::read_dir(folder(path)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                files.insert(
                    path.display().to_string(),
                    std::fs::read_to_string(&path).unwrap(),
                );
            }
        }
    }
    files
}

fn documents() -> Vec<Value> {
    let files = files();
    let documents = files
        .values()
        .map(|text| serde_saphyr::from_multiple::<Value>(text).unwrap());
    documents.flatten().collect()
}

fn text<'a>(document: &'a Value, path: &str) -> &'a str {
    document
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn of_kind(ending: &str) -> Vec<Value> {
    let documents = documents().into_iter();
    documents
        .filter(|document| text(document, "/kind").ends_with(ending))
        .collect()
}

fn name(document: &Value) -> &str {
    text(document, "/metadata/name")
}

/// The words of `line` that name something of ours.
fn ours(line: &str) -> impl Iterator<Item = &str> {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || "-./".contains(c);
    line.split(move |c| !of_a_name(c))
        .map(|word| word.trim_end_matches(['.', '/']))
        .filter(|word| word.contains("trustpool.dev"))
}

#[test]
fn every_name_of_ours_in_the_manifests_is_one_of_the_code() {
    let mut objects: BTreeSet<String> = documents().iter().map(|it| name(it).to_owned()).collect();
    for webhook in webhooks() {
        objects.insert(name_of(&webhook).to_owned());
    }
    let mut seen = BTreeSet::new();
    for (file, text) in files() {
        for word in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(ours)
        {
            let known = NAMES.contains(&word) || is_other(word, &objects);
            // A message that stands for all three labels of a Node.
            let all = word == "trustpool.dev.node-restriction.kubernetes.io";
            assert!(known || all, "{file}: `{word}`");
            seen.insert(word.to_owned());
        }
    }
    for name in NAMES {
        assert!(seen.contains(name), "no policy speaks of `{name}`");
    }
}

#[test]
fn what_can_stop_a_cluster_has_no_parameters_and_no_expression_that_can_fail() {
    for policy in of_kind("AdmissionPolicy") {
        let (name, spec) = (name(&policy), &policy["spec"]);
        if spec["failurePolicy"] == "Fail" {
            assert!(spec.get("paramKind").is_none(), "{name} has parameters");
        } else {
            assert!(name.starts_with("warn-"), "{name} may be skipped");
        }
        for expression in expressions(spec) {
            let plain = plain_access(&expression);
            assert!(
                plain.is_none(),
                "{name}: {plain:?} may be missing in {expression}"
            );
        }
    }
}

/// What an expression reads without asking whether it is there: a key of a map, or one of the maps.
fn plain_access(expression: &str) -> Option<String> {
    let maps = [
        "annotations",
        "labels",
        "nodeSelector",
        "taints",
        "limits",
        "requests",
    ];
    let maps = maps.map(|map| format!(".{map}"));
    let keys = expression.match_indices("[\"").map(|(at, _)| at);
    let key = keys.filter(|at| {
        // After anything but a value it is a list.
        let before = expression
            .get(..*at)
            .and_then(|before| before.chars().last());
        before.is_some_and(|before| before.is_alphanumeric() || ")]".contains(before))
    });
    let map = maps
        .iter()
        .flat_map(|map| expression.match_indices(map.as_str()))
        .map(|(at, _)| at);
    let map = map.filter(|at| {
        let before = expression.get(..*at).unwrap_or_default();
        let word = before.rsplit([' ', '\n', '(']).next().unwrap_or_default();
        let asked = before.ends_with(&format!("has({word}"));
        let quoted = before.matches('"').count() % 2 == 1;
        // What follows an optional is optional.
        !asked && !quoted && !word.contains(".?")
    });
    let at = key.chain(map).next()?;
    Some(expression.get(at..)?.chars().take(30).collect())
}

#[test]
fn a_plain_access_is_found() {
    for (expression, found) in [
        (r#"object.metadata.labels["a"] == "b""#, true),
        (r#"object.metadata.labels.exists(x, true)"#, true),
        (
            r#"object.metadata.?labels[?"a"].orValue("") in ["a", "b"]"#,
            false,
        ),
        (r#"has(object.metadata.labels) ? [] : ["a"]"#, false),
        (r#"oldObject.?metadata.labels[?"a"] == "of .labels""#, false),
        (r#"f(x)["a"]"#, true),
    ] {
        assert_eq!(plain_access(expression).is_some(), found, "{expression}");
    }
}

/// Every CEL expression of a policy.
fn expressions(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            let nested = fields.iter().flat_map(|(key, value)| match value {
                Value::String(text) if key == "expression" || key == "messageExpression" => {
                    vec![text.clone()]
                }
                value => expressions(value),
            });
            nested.collect()
        }
        Value::Array(items) => items.iter().flat_map(expressions).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_policy_is_bound_and_warnings_only_warn() {
    let bindings = of_kind("AdmissionPolicyBinding");
    for policy in of_kind("AdmissionPolicy") {
        let (kind, name) = (text(&policy, "/kind"), name(&policy));
        let bound: Vec<&Value> = bindings
            .iter()
            .filter(|binding| {
                text(binding, "/kind") == format!("{kind}Binding")
                    && text(binding, "/spec/policyName") == name
            })
            .collect();
        assert!(!bound.is_empty(), "{kind} {name} is not bound");
        for binding in bound {
            let actions = &binding["spec"]["validationActions"];
            let expected = match name {
                _ if kind.starts_with("Mutating") => &Value::Null,
                "pods-audit.trustpool.dev" => &json!(["Audit"]),
                _ if name.starts_with("warn-") => &json!(["Warn"]),
                _ => &json!(["Deny"]),
            };
            assert_eq!(actions, expected, "{name}");
        }
    }
}

#[test]
fn two_policies_with_one_mutation_have_the_same() {
    let policies = of_kind("MutatingAdmissionPolicy");
    let spec = |wanted: &str| {
        let policy = policies
            .iter()
            .find(|policy| name(policy) == format!("{wanted}.trustpool.dev"));
        policy.unwrap()["spec"].clone()
    };
    for of_pods in ["require", "route"] {
        let (one, other) = (spec(of_pods), spec(&format!("{of_pods}-namespace")));
        for part in [
            "variables",
            "mutations",
            "failurePolicy",
            "reinvocationPolicy",
        ] {
            assert_eq!(one.get(part), other.get(part), "{part} of {of_pods}");
        }
        assert_eq!(
            one["reinvocationPolicy"], "IfNeeded",
            "others may change a pod after us"
        );
    }
}

#[test]
fn rules_of_namespaces_leave_the_clusters_own_alone() {
    let own = json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "trustpool-system"]});
    let mut selectors = Vec::new();
    for document in documents() {
        selectors.extend(found(&document, "namespaceSelector"));
    }
    assert!(selectors.len() >= 9, "{}", selectors.len());
    for selector in selectors {
        let expressions = selector["matchExpressions"].as_array().unwrap();
        assert!(expressions.contains(&own), "{selector}");
    }
}

/// Every value of `key`, however deep.
fn found(value: &Value, key: &str) -> Vec<Value> {
    match value {
        Value::Object(fields) => {
            let here = fields.get(key).cloned();
            here.into_iter()
                .chain(fields.values().flat_map(|value| found(value, key)))
                .collect()
        }
        Value::Array(items) => items.iter().flat_map(|item| found(item, key)).collect(),
        _ => Vec::new(),
    }
}

fn webhooks() -> Vec<Value> {
    let configurations = of_kind("ValidatingWebhookConfiguration");
    configurations
        .iter()
        .flat_map(|it| it["webhooks"].as_array().unwrap().clone())
        .collect()
}

fn name_of(webhook: &Value) -> &str {
    text(webhook, "/name")
}

/// Labels of a namespace, as the tests of the selectors below go through them.
type Labels<'a> = [(&'a str, Option<&'a str>); 2];

fn matches(webhook: &Value, labels: &Labels<'_>) -> bool {
    let value = |key: &str| {
        labels
            .iter()
            .find(|(name, _)| *name == key)
            .and_then(|(_, value)| *value)
    };
    let expressions = webhook["namespaceSelector"]["matchExpressions"]
        .as_array()
        .unwrap();
    expressions.iter().all(|expression| {
        let value = value(expression["key"].as_str().unwrap());
        let among = || {
            value.is_some_and(|value| {
                expression["values"]
                    .as_array()
                    .unwrap()
                    .contains(&json!(value))
            })
        };
        match expression["operator"].as_str().unwrap() {
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "In" => among(),
            _ => !among(),
        }
    })
}

#[test]
fn each_namespace_has_one_webhook_at_most_but_for_what_is_misspelt_which_has_the_stricter() {
    let table: [(_, _, &[&str]); 15] = [
        (None, None, &[]),
        (None, Some("strict"), &["strict"]),
        (None, Some("open"), &["open"]),
        (None, Some("Strict"), &["strict"]),
        (None, Some(""), &["strict"]),
        (Some("trusted"), None, &["required"]),
        (Some("trusted"), Some("strict"), &["required"]),
        (Some("trusted"), Some("oepn"), &["required"]),
        (Some("trusted"), Some("open"), &["open"]),
        (Some("audit"), None, &["audit"]),
        (Some("audit"), Some("strict"), &["strict"]),
        (Some("audit"), Some("open"), &["open"]),
        (Some("Trusted"), None, &["required"]),
        (Some(""), None, &["required"]),
        (Some("yes"), Some("strict"), &["required", "strict"]),
    ];
    for (require, gate, expected) in table {
        let labels = [(keys::REQUIRE, require), ("trustpool.dev/gate", gate)];
        let webhooks = webhooks();
        let found: Vec<&str> = webhooks
            .iter()
            .filter(|it| matches(it, &labels))
            .map(name_of)
            .collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|name| format!("{name}.bind.trustpool.dev"))
            .collect();
        assert_eq!(found, expected, "{require:?} {gate:?}");
    }
    for webhook in webhooks() {
        let strict = ["required.bind.trustpool.dev", "strict.bind.trustpool.dev"]
            .contains(&name_of(&webhook));
        assert_eq!(
            webhook["failurePolicy"],
            if strict { "Fail" } else { "Ignore" }
        );
        assert_eq!(webhook["timeoutSeconds"], 2);
        assert_eq!(
            webhook["rules"][0]["resources"],
            json!(["bindings", "pods/binding"])
        );
    }
}
