//! What the controller counts.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Buckets of a request's duration, in seconds, around the 1 to 60 that a service takes.
const SECONDS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 90.0];

/// Buckets of a batch's size, in hosts.
const HOSTS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0];

/// How a request ended.
#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[expect(non_camel_case_types, reason = "the labels as they are exposed")]
pub enum Ended {
    /// With an answer.
    answered,
    /// Without.
    failed,
}

/// Label: a pool.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OfPool {
    /// Its name.
    pub pool: String,
}

/// Labels: a pool and a verdict.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OfVerdict {
    /// The pool's name.
    pub pool: String,
    /// `trusted`, `untrusted` or `unknown`.
    pub verdict: &'static str,
}

/// Labels: a service and how a request ended.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OfRequest {
    /// The service's name.
    pub service: String,
    /// How the request ended.
    pub outcome: Ended,
}

/// Labels: a service and a kind of error.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OfError {
    /// The service's name.
    pub service: String,
    /// A word of a closed set.
    pub kind: &'static str,
}

/// Labels: an object of which a policy is made, and how it is with it.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OfPolicy {
    /// The kind of the object.
    pub kind: String,
    /// Its name.
    pub policy: String,
    /// `altered`, `in_force`, `missing` or `unknown`.
    pub state: &'static str,
}

/// Label: an outcome, a word of a closed set.
#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
pub struct OfOutcome {
    /// The outcome.
    pub outcome: &'static str,
}

/// What the controller counts.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Nodes by pool and verdict.
    pub nodes: Family<OfVerdict, Gauge>,
    /// Age of the oldest verdict that counts.
    pub oldest: Family<OfPool, Gauge>,
    /// Whether the breaker is open.
    pub breaker_open: Family<OfPool, Gauge>,
    /// Whether this process leads.
    pub leader: Gauge,
    /// 1 for the state that a policy is in.
    pub policies: Family<OfPolicy, Gauge>,
    /// How often a policy was altered and put right between two looks.
    pub policies_restored: Counter,
    /// Rounds that ended.
    pub rounds: Family<OfPool, Counter>,
    /// Hosts per request.
    pub batch_hosts: Histogram,
    /// Duration of requests.
    pub batch_duration: Family<OfRequest, Histogram>,
    /// Answers by outcome.
    pub attestations: Family<OfOutcome, Counter>,
    /// Errors of services.
    pub service_errors: Family<OfError, Counter>,
    /// Writes to NodeTrusts.
    pub record_writes: Family<OfOutcome, Counter>,
    /// Writes to Nodes.
    pub node_writes: Family<OfOutcome, Counter>,
    /// Events that were not sent since too many waited.
    pub events_dropped: Counter,
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            nodes: Family::default(),
            oldest: Family::default(),
            breaker_open: Family::default(),
            leader: Gauge::default(),
            policies: Family::default(),
            policies_restored: Counter::default(),
            rounds: Family::default(),
            batch_hosts: Histogram::new(HOSTS),
            batch_duration: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            attestations: Family::default(),
            service_errors: Family::default(),
            record_writes: Family::default(),
            node_writes: Family::default(),
            events_dropped: Counter::default(),
        };
        metrics.register_gauges(registry);
        metrics.register_counters(registry);
        metrics
    }

    /// Takes back what only a leader knows.
    pub fn forget(&self) {
        self.nodes.clear();
        self.oldest.clear();
        self.breaker_open.clear();
        self.policies.clear();
    }

    fn register_gauges(&self, registry: &mut Registry) {
        registry.register("leader", "Whether this process leads", self.leader.clone());
        registry.register("nodes", "Nodes of a pool by verdict", self.nodes.clone());
        registry.register(
            "oldest_verdict_age_seconds",
            "Age of a pool's oldest verdict that counts",
            self.oldest.clone(),
        );
        registry.register(
            "breaker_open",
            "1 while so much of a pool's trust is lost that no node is tainted for it",
            self.breaker_open.clone(),
        );
        registry.register(
            "policy",
            "1 for the state that an admission policy, its binding or the webhook configuration is in",
            self.policies.clone(),
        );
    }

    fn register_counters(&self, registry: &mut Registry) {
        registry.register("rounds", "Rounds of a pool that ended", self.rounds.clone());
        registry.register("batch_hosts", "Hosts per request", self.batch_hosts.clone());
        registry.register(
            "batch_duration_seconds",
            "Duration of requests to a service",
            self.batch_duration.clone(),
        );
        registry.register(
            "attestations",
            "Answers by outcome",
            self.attestations.clone(),
        );
        registry.register(
            "service_errors",
            "Requests to a service that failed, by kind",
            self.service_errors.clone(),
        );
        registry.register(
            "policies_restored",
            "Times a policy was altered or deleted, and was in force again at the next look",
            self.policies_restored.clone(),
        );
        registry.register(
            "record_writes",
            "Writes to NodeTrusts by outcome",
            self.record_writes.clone(),
        );
        registry.register(
            "node_writes",
            "Writes to Nodes by outcome",
            self.node_writes.clone(),
        );
        registry.register(
            "events_dropped",
            "Events not sent since too many waited",
            self.events_dropped.clone(),
        );
    }
}
