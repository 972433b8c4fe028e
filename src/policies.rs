//! The admission policies and the bind gate's webhooks as this version installs them, and in what those of a cluster
//! differ from them. Pure.
//!
//! What is expected is `manifests/`, compiled in; the chart renders the same.

mod difference;

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use self::difference::{Difference, Exempt};

/// The namespace that the texts name.
const NAMESPACE: &str = "trustpool-system";

/// What whoever installs the policy chooses: which Nodes it is for.
const CHOSEN: (&str, &str) = (
    "startup-taint.trustpool.dev",
    "spec.matchConstraints.objectSelector",
);

/// Policies that are installed together.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Group {
    /// Those that send pods to the extender.
    Extender,
    /// Those that need mutating admission policies.
    Mutating,
    /// The one that taints new nodes.
    StartupTaint,
    /// Warnings where there are no mutating admission policies.
    Unmutated,
    /// Those of every installation.
    Validating,
    /// The webhooks by which the API server asks the bind gate.
    Webhook,
}

/// What is expected: some groups, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Groups(BTreeSet<Group>);

/// Why something is no list of groups.
#[derive(Debug, Error)]
#[error("there is no group of policies `{0}`: the groups are {all}", all = Group::ALL.map(Group::as_str).join(", "))]
pub struct NoGroup(String);

/// One object that must be there.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What kind of object of `admissionregistration.k8s.io/v1`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// By which names the API server may reach the bind gate, where it is told a URL.
    hosts: Vec<String>,
    /// Everything in it that counts.
    content: Value,
}

/// One document of `manifests/`.
#[derive(Deserialize)]
struct Manifest {
    kind: String,
    metadata: Metadata,
    spec: Option<Value>,
    webhooks: Option<Value>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

impl Group {
    /// Every group.
    pub const ALL: [Self; 6] = [
        Self::Extender,
        Self::Mutating,
        Self::StartupTaint,
        Self::Unmutated,
        Self::Validating,
        Self::Webhook,
    ];

    /// The group as it is typed.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Extender => "extender",
            Self::Mutating => "mutating",
            Self::StartupTaint => "startup-taint",
            Self::Unmutated => "unmutated",
            Self::Validating => "validating",
            Self::Webhook => "webhook",
        }
    }

    const fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Extender => &[include_str!("../manifests/optional/extender.yaml")],
            Self::Mutating => &[
                include_str!("../manifests/mutating-nodes.yaml"),
                include_str!("../manifests/mutating-pods.yaml"),
            ],
            Self::StartupTaint => &[include_str!("../manifests/optional/startup-taint.yaml")],
            Self::Unmutated => &[include_str!(
                "../manifests/optional/without-mutating-policies.yaml"
            )],
            Self::Validating => &[
                include_str!("../manifests/namespaces.yaml"),
                include_str!("../manifests/nodes.yaml"),
                include_str!("../manifests/pods.yaml"),
                include_str!("../manifests/warnings.yaml"),
            ],
            Self::Webhook => &[include_str!("../manifests/webhook.yaml")],
        }
    }
}

impl Default for Groups {
    /// What `kubectl apply -f manifests` installs.
    fn default() -> Self {
        Self([Group::Mutating, Group::Validating, Group::Webhook].into())
    }
}

impl FromStr for Groups {
    type Err = NoGroup;

    fn from_str(text: &str) -> Result<Self, NoGroup> {
        let words = text.split(',').filter(|word| !word.is_empty());
        let group = |word: &str| {
            let mut all = Group::ALL.into_iter();
            let found = all.find(|group| group.as_str() == word);
            found.ok_or_else(|| NoGroup(word.to_owned()))
        };
        words.map(group).collect::<Result<_, _>>().map(Self)
    }
}

/// Every object of `groups` as it is where Trustpool's namespace is `namespace`, and the API server may reach the bind
/// gate by `hosts` too.
///
/// # Errors
///
/// What was compiled in cannot be read, which a test excludes.
pub fn expected(
    groups: &Groups,
    namespace: &str,
    hosts: &[String],
) -> Result<Vec<Expected>, serde_saphyr::Error> {
    let mut found = Vec::new();
    for text in groups.0.iter().flat_map(|group| group.texts()) {
        for manifest in serde_saphyr::from_multiple::<Manifest>(text)? {
            let content = json!({"spec": manifest.spec, "webhooks": manifest.webhooks});
            found.push(Expected {
                kind: manifest.kind,
                name: manifest.metadata.name,
                hosts: hosts.to_vec(),
                content: in_namespace(content, namespace),
            });
        }
    }
    Ok(found)
}

/// `value` with another namespace in every string. It is replaced in what was read, as a name such as `123` would be
/// read as a number.
fn in_namespace(value: Value, namespace: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace(NAMESPACE, namespace)),
        Value::Array(items) => {
            let items = items.into_iter();
            items.map(|item| in_namespace(item, namespace)).collect()
        }
        Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(key, value)| (key, in_namespace(value, namespace)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

impl Expected {
    /// The path of the first field in which `live`, a whole object, differs in what it does; nothing if it does what
    /// it should. What the API server adds by itself makes no difference, nor does the CA that it believes.
    #[must_use]
    pub fn difference(&self, live: &Value) -> Option<String> {
        let live = json!({"spec": live.get("spec"), "webhooks": live.get("webhooks")});
        let exempt = Exempt {
            hosts: &self.hosts,
            path: (CHOSEN.0 == self.name).then_some(CHOSEN.1),
        };
        Difference::new(exempt).first(&self.content, &live)
    }
}

#[cfg(test)]
mod tests;
