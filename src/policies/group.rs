//! Which policies are installed together, and which of them must be there.

use std::collections::BTreeSet;
use std::str::FromStr;

use thiserror::Error;

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
    /// The webhooks by which the API server asks the bind gate, whose certificates are Trustpool's own.
    Webhook,
    /// The same where somebody else gives the certificates. Beside [`Group::Webhook`] it says nothing.
    WebhookGiven,
}

/// What is expected: some groups, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Groups(pub(super) BTreeSet<Group>);

/// Why something is no list of groups.
#[derive(Debug, Error)]
#[error("there is no group of policies `{0}`: the groups are {all}", all = Group::ALL.map(Group::as_str).join(", "))]
pub struct NoGroup(String);

impl Group {
    /// Every group.
    pub const ALL: [Self; 7] = [
        Self::Extender,
        Self::Mutating,
        Self::StartupTaint,
        Self::Unmutated,
        Self::Validating,
        Self::Webhook,
        Self::WebhookGiven,
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
            Self::WebhookGiven => "webhook-given",
        }
    }

    /// What is installed.
    pub(super) const fn texts(self) -> &'static [&'static str] {
        match self {
            Self::Extender => &[include_str!("../../manifests/optional/extender.yaml")],
            Self::Mutating => &[
                include_str!("../../manifests/mutating-nodes.yaml"),
                include_str!("../../manifests/mutating-pods.yaml"),
            ],
            Self::StartupTaint => &[include_str!("../../manifests/optional/startup-taint.yaml")],
            Self::Unmutated => &[include_str!(
                "../../manifests/optional/without-mutating-policies.yaml"
            )],
            Self::Validating => &[
                include_str!("../../manifests/namespaces.yaml"),
                include_str!("../../manifests/nodes.yaml"),
                include_str!("../../manifests/pods.yaml"),
                include_str!("../../manifests/warnings.yaml"),
            ],
            Self::Webhook | Self::WebhookGiven => &[include_str!("../../manifests/webhook.yaml")],
        }
    }
}

impl Default for Groups {
    /// What `kubectl apply -f manifests` installs.
    fn default() -> Self {
        Self([Group::Mutating, Group::Validating, Group::Webhook].into())
    }
}

impl Groups {
    /// Each of them once, in order: of the webhooks one or the other.
    pub(super) fn iter(&self) -> impl Iterator<Item = Group> {
        let own = self.0.contains(&Group::Webhook);
        let groups = self.0.iter().copied();
        groups.filter(move |group| !(own && *group == Group::WebhookGiven))
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
