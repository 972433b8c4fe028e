//! Which nodes a pool selects: label selectors over keys that no kubelet can write.
#![expect(
    clippy::doc_markdown,
    reason = "these docs are what kubectl explain shows"
)]

use std::collections::BTreeMap;

use kube::KubeSchema;
use kube::core::{Expression, SelectorExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rule::Rule;
use crate::api::{Invalid, keys};

/// Labels in this namespace and below it: the NodeRestriction admission plugin refuses a kubelet's
/// change of them.
const RESTRICTED: &str = "node-restriction.kubernetes.io";
/// Labels that tell roles: it refuses all under `kubernetes.io` that it does not know as a kubelet's.
const ROLE: &str = "node-role.kubernetes.io";

/// A legal label key of a namespace as above, as a pattern in CEL. `[.]`, since a backslash would
/// have to be doubled for CEL.
macro_rules! protected {
    () => {
        "'^(([a-z0-9]([-a-z0-9]*[a-z0-9])?[.])*node-restriction[.]kubernetes[.]io\
         |node-role[.]kubernetes[.]io)/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'"
    };
}
const ANY_KUBELET: &str = "a kubelet could write such a label on its own node: use keys under \
    node-restriction.kubernetes.io, *.node-restriction.kubernetes.io or node-role.kubernetes.io";
const OUR_MARK: &str = "is what Trustpool writes on nodes, so that no pool can select by it";

const PROTECTED_LABELS: Rule = Rule::new(
    concat!("self.all(key, key.matches(", protected!(), "))"),
    ANY_KUBELET,
);
const PROTECTED_KEY: Rule = Rule::new(concat!("self.matches(", protected!(), ")"), ANY_KUBELET);
const NO_MARKS: Rule = Rule::new(
    "!('trustpool.dev.node-restriction.kubernetes.io/trust' in self) \
     && !('trustpool.dev.node-restriction.kubernetes.io/pool' in self)",
    OUR_MARK,
);
const NO_MARK: Rule = Rule::new(
    "!(self in ['trustpool.dev.node-restriction.kubernetes.io/trust', \
     'trustpool.dev.node-restriction.kubernetes.io/pool'])",
    OUR_MARK,
);
const LABEL_VALUE: Rule = Rule::new(
    "self.all(key, self[key].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))",
    LEGAL_VALUE,
);
const LABEL_VALUES: Rule = Rule::new(
    "self.all(value, value.matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))",
    LEGAL_VALUE,
);
const LEGAL_VALUE: &str = "must be legal values of labels: letters, digits, -, _ and .";
const OPERANDS: Rule = Rule::new(
    "(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)",
    "In and NotIn need values, Exists and DoesNotExist take none",
);

/// Which nodes. All of it must hold; nothing selects all.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
#[serde(rename_all = "camelCase")]
pub struct NodeSelector {
    /// Labels that a node must carry, with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    #[schemars(extend("additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = PROTECTED_LABELS, validation = NO_MARKS, validation = LABEL_VALUE)]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements that a node's labels must meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<Requirement>,
}

/// A requirement that a node's labels must meet.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = OPERANDS)]
pub struct Requirement {
    /// Key of the label.
    #[schemars(length(min = 1, max = 317))]
    #[x_kube(validation = PROTECTED_KEY, validation = NO_MARK)]
    pub key: String,
    /// What must be so.
    pub operator: Operator,
    /// With In and NotIn: the values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)), extend("x-kubernetes-list-type" = "atomic"))]
    #[x_kube(validation = LABEL_VALUES)]
    pub values: Vec<String>,
}

/// What must be so of a label.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Operator {
    /// There is none of that key.
    DoesNotExist,
    /// There is one of that key.
    Exists,
    /// Its value is one of these.
    In,
    /// Its value is none of these, or there is none.
    NotIn,
}

/// Which nodes a pool selects.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Selector(kube::core::Selector);

impl Selector {
    /// Says whether a node that carries `labels` is selected.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.matches(labels)
    }
}

impl TryFrom<&NodeSelector> for Selector {
    type Error = Invalid;

    fn try_from(selector: &NodeSelector) -> Result<Self, Self::Error> {
        let labels = selector.match_labels.iter().map(equal);
        let requirements = selector
            .match_expressions
            .iter()
            .enumerate()
            .map(expression);
        let expressions: Result<kube::core::Selector, Invalid> =
            labels.chain(requirements).collect();
        expressions.map(Self)
    }
}

/// One of `matchLabels`.
fn equal((key, value): (&String, &String)) -> Result<Expression, Invalid> {
    let field = "spec.nodeSelector.matchLabels";
    check_key(field, key)?;
    LABEL_VALUE.check(is_value(value), &format!("{field}[{key}]"), value)?;
    Ok(Expression::Equal(key.clone(), value.clone()))
}

/// One of `matchExpressions`.
fn expression((index, requirement): (usize, &Requirement)) -> Result<Expression, Invalid> {
    let field = format!("spec.nodeSelector.matchExpressions[{index}]");
    let Requirement {
        key,
        operator,
        values,
    } = requirement;
    check_key(&format!("{field}.key"), key)?;
    if let Some(value) = values.iter().find(|value| !is_value(value)) {
        return Err(LABEL_VALUES.broken(&format!("{field}.values"), value));
    }
    let takes_values = matches!(operator, Operator::In | Operator::NotIn);
    OPERANDS.check(takes_values != values.is_empty(), &field, values.len())?;
    let (key, values) = (key.clone(), values.iter().cloned().collect());
    Ok(match operator {
        Operator::DoesNotExist => Expression::DoesNotExist(key),
        Operator::Exists => Expression::Exists(key),
        Operator::In => Expression::In(key, values),
        Operator::NotIn => Expression::NotIn(key, values),
    })
}

/// Says what is wrong with selecting nodes by the label `key`.
fn check_key(field: &str, key: &str) -> Result<(), Invalid> {
    NO_MARK.check(!is_mark(key), field, key)?;
    PROTECTED_KEY.check(is_selectable(key), field, key)
}

/// Says whether a pool may select nodes by the label `key`: no kubelet can write it on its own node,
/// nor does Trustpool.
#[must_use]
pub fn is_selectable(key: &str) -> bool {
    let Some((namespace, name)) = key.split_once('/') else {
        return false;
    };
    let below = |above: &str| above.is_empty() || above.ends_with('.');
    let restricted = namespace.strip_suffix(RESTRICTED).is_some_and(below);
    let named = !name.is_empty() && is_value(name);
    !is_mark(key) && named && (namespace == ROLE || restricted) && is_domain(namespace)
}

/// Says whether Trustpool writes the label `key` by itself.
fn is_mark(key: &str) -> bool {
    [keys::TRUST, keys::POOL].contains(&key)
}

/// Says whether `text` is a legal value of a label.
fn is_value(text: &str) -> bool {
    let edges = [text.bytes().next(), text.bytes().last()];
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.len() <= 63
        && edges.iter().flatten().all(u8::is_ascii_alphanumeric)
        && text.bytes().all(inner)
}

/// Says whether `text` is a domain name in lower case.
fn is_domain(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(inner)
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests;
