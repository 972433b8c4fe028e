//! What the bind gate counts.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::Refusal;

/// From a look into memory to the 2 s that the API server waits.
const BUCKETS: [f64; 10] = [
    100e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3, 250e-3, 1.0, 2.0,
];

/// Reasons that are no [`Refusal`].
const UNDECIDED: [&str; 5] = [
    "no_such_pod",
    "no_uid",
    "not_ready",
    "other_pod",
    "pod_not_readable",
];

type Label = [(&'static str, &'static str); 1];

/// The counters of the bind gate.
#[derive(Clone, Debug)]
pub struct Metrics {
    duration: Histogram,
    grants: Counter,
    refusals: Family<Label, Counter>,
    passes: Family<Label, Counter>,
}

impl Metrics {
    /// Adds the counters to `registry`, which is to prefix every name with `trustpool`. Each is there from
    /// the start, at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            duration: Histogram::new(BUCKETS),
            grants: Counter::default(),
            refusals: Family::default(),
            passes: Family::default(),
        };
        let reasons = Refusal::ALL.iter().map(|refusal| refusal.label());
        for reason in reasons.chain(UNDECIDED) {
            for family in [&metrics.refusals, &metrics.passes] {
                drop(family.get_or_create(&[("reason", reason)]));
            }
        }
        registry.register_with_unit(
            "bind_duration",
            "Time from the head of a review of a Binding to its answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "bind_grants",
            "Bindings of pods that ask, to nodes that will do",
            metrics.grants.clone(),
        );
        registry.register(
            "bind_refusals",
            "Bindings that were refused",
            metrics.refusals.clone(),
        );
        registry.register(
            "bind_passes",
            "Bindings that passed because the gate is open there, or only audits",
            metrics.passes.clone(),
        );
        metrics
    }

    /// Notes that a review was answered.
    pub fn answered(&self, took: Duration) {
        self.duration.observe(took.as_secs_f64());
    }

    /// Notes that a pod that asks may go to its node.
    pub fn granted(&self) {
        self.grants.inc();
    }

    /// Notes that a Binding was refused for `reason`.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&[("reason", reason)]).inc();
    }

    /// Notes that a Binding passed in spite of `reason`.
    pub fn passed(&self, reason: &'static str) {
        self.passes.get_or_create(&[("reason", reason)]).inc();
    }
}
