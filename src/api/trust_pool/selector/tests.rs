//! What a pool may select by, said twice: in CEL and here.

use kube::core::cel::Validator;
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Labels that NodeRestriction keeps from kubelets, and that Trustpool does not write.
const SELECTABLE: [&str; 5] = [
    "node-restriction.kubernetes.io/zone",
    "example.com.node-restriction.kubernetes.io/zone",
    "node-role.kubernetes.io/control-plane",
    "node-restriction.kubernetes.io/a.b_c-d",
    keys::HOST,
];

const NOT_SELECTABLE: [&str; 16] = [
    keys::TRUST,
    keys::POOL,
    "zone",
    "kubernetes.io/hostname",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/zone",
    "evilnode-restriction.kubernetes.io/x",
    "node-role.kubernetes.io.evil.com/x",
    "node-restriction.kubernetes.io.evil.com/x",
    "x.node-role.kubernetes.io/x",
    ".node-restriction.kubernetes.io/x",
    "-.node-restriction.kubernetes.io/x",
    "A.node-restriction.kubernetes.io/x",
    "node-restriction.kubernetes.io/",
    "node-restriction.kubernetes.io/x/y",
    "node-restriction.kubernetes.io/x-",
];

/// What the rules in CEL say to `key`.
fn admitted(key: &str) -> bool {
    let rules = [PROTECTED_KEY, NO_MARK].map(|rule| json!(kube::core::Rule::from(rule)));
    let schema = json!({"type": "string", "x-kubernetes-validations": rules});
    Validator::new()
        .validate(&schema, &json!(key), None)
        .is_ok()
}

#[test]
fn only_labels_that_no_kubelet_can_write_are_selectable() {
    for key in SELECTABLE {
        assert!(is_selectable(key) && admitted(key), "{key}");
    }
    for key in NOT_SELECTABLE {
        assert!(!is_selectable(key) && !admitted(key), "{key}");
    }
}

proptest! {
    #[test]
    fn the_rule_and_the_conversion_agree(
        key in "([aA.-]{0,3})(node-restriction[.]kubernetes[.]io|node-role[.]kubernetes[.]io)([.]a)?/?[aA._/-]{0,4}"
    ) {
        prop_assert_eq!(is_selectable(&key), admitted(&key), "{}", key);
    }
}

#[test]
fn all_that_a_selector_says_must_hold() {
    let requirement = |key: &str, operator, values: &[&str]| Requirement {
        key: format!("node-restriction.kubernetes.io/{key}"),
        operator,
        values: values.iter().map(ToString::to_string).collect(),
    };
    let labels = |labels: &[(&str, &str)]| -> BTreeMap<String, String> {
        let label = |(key, value): &(&str, &str)| {
            (
                format!("node-restriction.kubernetes.io/{key}"),
                (*value).to_owned(),
            )
        };
        labels.iter().map(label).collect()
    };
    let selector = NodeSelector {
        match_labels: labels(&[("pool", "secure")]),
        match_expressions: vec![
            requirement("zone", Operator::In, &["a", "b"]),
            requirement("gpu", Operator::NotIn, &["broken"]),
            requirement("rack", Operator::Exists, &[]),
            requirement("retired", Operator::DoesNotExist, &[]),
        ],
    };
    let selector = Selector::try_from(&selector).unwrap();

    let table = [
        (
            labels(&[("pool", "secure"), ("zone", "a"), ("rack", "7")]),
            true,
        ),
        (
            labels(&[
                ("pool", "secure"),
                ("zone", "b"),
                ("rack", "7"),
                ("gpu", "x"),
            ]),
            true,
        ),
        (
            labels(&[("pool", "other"), ("zone", "a"), ("rack", "7")]),
            false,
        ),
        (labels(&[("zone", "a"), ("rack", "7")]), false),
        (
            labels(&[("pool", "secure"), ("zone", "c"), ("rack", "7")]),
            false,
        ),
        (labels(&[("pool", "secure"), ("rack", "7")]), false),
        (
            labels(&[
                ("pool", "secure"),
                ("zone", "a"),
                ("rack", "7"),
                ("gpu", "broken"),
            ]),
            false,
        ),
        (labels(&[("pool", "secure"), ("zone", "a")]), false),
        (
            labels(&[
                ("pool", "secure"),
                ("zone", "a"),
                ("rack", "7"),
                ("retired", ""),
            ]),
            false,
        ),
    ];
    for (labels, expected) in table {
        assert_eq!(selector.matches(&labels), expected, "{labels:?}");
    }
    let all = Selector::try_from(&NodeSelector::default()).unwrap();
    assert!(all.matches(&BTreeMap::new()));
}
