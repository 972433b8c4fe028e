//! `TrustPool`: which nodes, judged by whom, and what follows.
#![expect(
    clippy::doc_markdown,
    reason = "these docs are what kubectl explain shows"
)]

mod convert;
mod selector;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use super::rule::Rule;

pub use selector::{NodeSelector, Operator, Requirement, Selector, is_selectable};

const NAME: Rule = Rule::new(
    "size(self.metadata.name) <= 63",
    "the name of a TrustPool becomes the value of a label: at most 63 characters",
);
const SERVICE_NAME: Rule = Rule::new(
    "self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
    "must be the name of an AttestationService: lower-case letters, digits, - and .",
);
const TWICE: Rule = Rule::new(
    "duration(self.refresh.interval) + duration(self.refresh.interval) <= duration(self.validity)",
    "validity must be at least twice refresh.interval, so that one failed round costs no node its trust",
);
const A_DAY: Rule = Rule::new("duration(self) <= duration('24h')", "must be at most 24h");
const A_SECOND: Rule = Rule::new("duration(self) >= duration('1s')", "must be at least 1s");
const INTERVALS: Rule = Rule::new(
    "duration(self.minInterval) <= duration(self.interval)",
    "minInterval must not be longer than interval",
);
// A number in quotes is taken for the number: `type(self)` would tell, but not in unit tests.
const SHARE: Rule = Rule::new(
    "string(self).matches('^([1-9][0-9]{0,4}|(100|[1-9]?[0-9])%)$')",
    "must be a number of nodes from 1 to 99999, or a percentage from 0% to 100%",
);
const ONE_WAY: Rule = Rule::new(
    "!(has(self.verdicts) && has(self.manual) && self.manual)",
    "give either verdicts or manual: true, not both",
);

/// Which nodes are attested, by whom, and what follows.
#[derive(Clone, CustomResource, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[kube(
    category = "trust",
    derive = "PartialEq",
    doc = "A set of nodes that one AttestationService judges, and what follows from its verdicts.",
    group = "trustpool.dev",
    kind = "TrustPool",
    plural = "trustpools",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Service","type":"string","jsonPath":".spec.attestationServiceRef.name"}"#,
    printcolumn = r#"{"name":"Nodes","type":"integer","jsonPath":".status.nodes.total"}"#,
    printcolumn = r#"{"name":"Trusted","type":"integer","jsonPath":".status.nodes.trusted"}"#,
    printcolumn = r#"{"name":"Untrusted","type":"integer","jsonPath":".status.nodes.untrusted"}"#,
    printcolumn = r#"{"name":"Unknown","type":"integer","jsonPath":".status.nodes.unknown"}"#,
    printcolumn = r#"{"name":"Last Round","type":"date","jsonPath":".status.lastRound"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Degraded","type":"string","jsonPath":".status.conditions[?(@.type==\"Degraded\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Breaker Open","type":"string","jsonPath":".status.conditions[?(@.type==\"BreakerOpen\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Validity","type":"string","jsonPath":".spec.validity","priority":1}"#,
    printcolumn = r#"{"name":"Dry Run","type":"boolean","jsonPath":".spec.dryRun","priority":1}"#,
    printcolumn = r#"{"name":"Paused","type":"boolean","jsonPath":".spec.paused","priority":1}"#,
    shortname = "tp",
    status = "TrustPoolStatus",
    validation = NAME,
    version = "v1alpha1"
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = TWICE)]
pub struct TrustPoolSpec {
    /// Which nodes; empty means all. Only labels that no kubelet can write may be named.
    #[serde(default)]
    pub node_selector: NodeSelector,
    /// Who judges the nodes.
    pub attestation_service_ref: ServiceRef,
    /// How long a verdict counts, from the question that gave it.
    #[serde(default = "validity")]
    #[x_kube(validation = A_DAY)]
    pub validity: Duration,
    /// How often nodes are asked about.
    #[serde(default)]
    pub refresh: Refresh,
    /// After so many rounds in which the service has verdicts for most hosts and none for a node's,
    /// the node is unknown, whatever validity remains.
    #[serde(default = "silent_after")]
    #[schemars(range(min = 1, max = 100))]
    pub silent_after: u32,
    /// What follows for a node that the service calls untrusted.
    #[serde(default)]
    pub on_untrusted: OnUntrusted,
    /// What follows for a node about which nothing is known that counts.
    #[serde(default)]
    pub on_unknown: OnUnknown,
    /// When a loss of trust is taken for a failure of the service or the network.
    #[serde(default)]
    pub breaker: Breaker,
    /// What it takes to be trusted again after untrusted: two verdicts in a row, if nothing is said.
    #[serde(default, skip_serializing_if = "TrustAgainSpec::is_empty")]
    pub trust_again: TrustAgainSpec,
    /// Leaves the taint trustpool.dev/unattested on a new node until it has a verdict; otherwise it is lifted at
    /// once. The policy of manifests/optional/startup-taint.yaml puts it there. It holds off everybody's pods.
    #[serde(default)]
    pub startup_taint: bool,
    /// Withholds new taints, nothing else; those that are there stay, but for trustpool.dev/unattested.
    #[serde(default)]
    pub dry_run: bool,
    /// Withholds questions to the service and changes of Nodes.
    #[serde(default)]
    pub paused: bool,
}

/// The judge.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// Name of an AttestationService.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = SERVICE_NAME)]
    pub name: String,
}

/// How often nodes are asked about.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = INTERVALS)]
pub struct Refresh {
    /// From one round of all nodes to the next.
    #[serde(default = "interval")]
    pub interval: Duration,
    /// The shortest time between two questions about one node, whatever its kubelet does.
    #[serde(default = "min_interval")]
    #[x_kube(validation = A_SECOND)]
    pub min_interval: Duration,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            interval: interval(),
            min_interval: min_interval(),
        }
    }
}

/// What follows for a node that the service calls untrusted.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnUntrusted {
    /// The effect of the taint trustpool.dev/not-trusted, or None for no taint.
    #[serde(default = "no_schedule")]
    pub taint: Taint,
}

impl Default for OnUntrusted {
    fn default() -> Self {
        Self {
            taint: no_schedule(),
        }
    }
}

/// What follows for a node about which nothing is known that counts.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnUnknown {
    /// What becomes of the trust label when a verdict merely expires. Pods are refused either way.
    #[serde(default)]
    pub label: Label,
    /// The effect of the taint trustpool.dev/not-trusted, or None for no taint.
    #[serde(default)]
    pub taint: Taint,
}

/// What becomes of the trust label when a verdict merely expires.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Label {
    /// It becomes unknown: the DaemonSet controller deletes pods that select by it.
    Change,
    /// It stays.
    #[default]
    Keep,
}

/// The effect of a taint.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Taint {
    /// No taint.
    #[default]
    None,
    /// Only pods that tolerate it are scheduled.
    NoSchedule,
}

/// When a loss of trust is taken for a failure of the service or the network.
#[derive(Clone, Debug, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    /// While more than so many of the pool's Ready nodes, or such a percentage of them, have lost
    /// trust, no taint is added and no label taken away but from untrusted nodes. Never less than one
    /// node.
    #[serde(default = "max_untrusted")]
    #[x_kube(validation = SHARE)]
    pub max_untrusted: IntOrString,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            max_untrusted: max_untrusted(),
        }
    }
}

/// What it takes to be trusted again after untrusted.
///
/// Without a default in the schema: an API server would write it down, and `manual: true` could not
/// be applied later.
#[derive(Clone, Debug, Default, Deserialize, Eq, KubeSchema, PartialEq, Serialize)]
#[schemars(description = "What it takes to be trusted again after untrusted.")]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ONE_WAY)]
pub struct TrustAgainSpec {
    /// So many trusted answers in a row; 2 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub verdicts: Option<u32>,
    /// A person, who sets spec.accept of the NodeTrust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manual: Option<bool>,
}

impl TrustAgainSpec {
    /// Says whether nothing is said.
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How the pool does.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustPoolStatus {
    /// Ready, Degraded, BreakerOpen, Overlapping, RoundTooLong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The pool's nodes, by verdict.
    #[serde(default)]
    pub nodes: Nodes,
    /// When the last round of most nodes ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_round: Option<Time>,
    /// When the next one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_round: Option<Time>,
    /// When the oldest verdict that counts was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_verdict: Option<Time>,
    /// The metadata.generation that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// Nodes by verdict.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Nodes {
    /// All nodes of the pool.
    #[serde(default)]
    pub total: u32,
    /// Those that are trusted.
    #[serde(default)]
    pub trusted: u32,
    /// Those that are untrusted.
    #[serde(default)]
    pub untrusted: u32,
    /// The others.
    #[serde(default)]
    pub unknown: u32,
}

const fn validity() -> Duration {
    Duration::from_secs(1800)
}

const fn interval() -> Duration {
    Duration::from_secs(300)
}

const fn min_interval() -> Duration {
    Duration::from_secs(30)
}

const fn silent_after() -> u32 {
    2
}

const fn no_schedule() -> Taint {
    Taint::NoSchedule
}

fn max_untrusted() -> IntOrString {
    IntOrString::String("20%".to_owned())
}
