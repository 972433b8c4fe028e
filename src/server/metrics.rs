//! What the extender counts.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::Refusal;

/// From 50 µs, which a few hundred names take, to 1 s, which is what kube-scheduler is usually told
/// to wait.
const BUCKETS: [f64; 14] = [
    50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3,
    1.0,
];

/// How the scheduler asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// `/filter` with `Nodes`.
    Full,
    /// `/filter` with `NodeNames`.
    Names,
    /// `/preempt`.
    Preempt,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Full, Self::Names, Self::Preempt];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Names => "names",
            Self::Preempt => "preempt",
        }
    }
}

/// One label, which takes few values.
type Label = [(&'static str, &'static str); 1];

/// How often each refusal was given in one request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally([u64; Refusal::ALL.len()]);

impl Tally {
    /// Counts one more.
    pub fn count(&mut self, refusal: Refusal) {
        if let Some(count) = self.0.get_mut(refusal as usize) {
            *count += 1;
        }
    }

    /// Each refusal with its count.
    fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.0)
    }
}

/// The counters of the extender.
#[derive(Clone, Debug)]
pub struct Metrics {
    duration: Family<Label, Histogram, fn() -> Histogram>,
    refusals: Family<Label, Counter>,
}

impl Metrics {
    /// Adds the counters to `registry`, which is to prefix every name with `trustpool`. Each is
    /// there from the start, at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            duration: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            refusals: Family::default(),
        };
        for mode in Mode::ALL {
            drop(metrics.duration.get_or_create(&[("mode", mode.as_str())]));
        }
        for refusal in Refusal::ALL {
            drop(
                metrics
                    .refusals
                    .get_or_create(&[("reason", refusal.label())]),
            );
        }
        registry.register_with_unit(
            "filter_duration",
            "Time from the head of a scheduler's request to its answer",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "filter_refusals",
            "Nodes that were refused to pods that ask for trust",
            metrics.refusals.clone(),
        );
        metrics
    }

    /// Notes that a request was answered.
    pub fn answered(&self, mode: Mode, took: Duration, refused: &Tally) {
        self.duration
            .get_or_create(&[("mode", mode.as_str())])
            .observe(took.as_secs_f64());
        for (refusal, count) in refused.iter().filter(|(_, count)| *count > 0) {
            self.refusals
                .get_or_create(&[("reason", refusal.label())])
                .inc_by(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn each_refusal_is_counted_under_its_own_name() {
        for refusal in Refusal::ALL {
            let mut tally = Tally::default();
            tally.count(refusal);

            let counted: Vec<_> = tally.iter().filter(|(_, count)| *count > 0).collect();

            assert_eq!(counted, [(refusal, 1)]);
        }
    }

    #[test]
    fn the_names_are_those_of_the_dashboard() {
        let mut registry = Registry::with_prefix("trustpool");
        let metrics = Metrics::register(&mut registry);
        let mut tally = Tally::default();
        tally.count(Refusal::Expired);
        tally.count(Refusal::Expired);

        metrics.answered(Mode::Names, Duration::from_micros(70), &tally);

        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "trustpool_filter_duration_seconds_bucket{le=\"0.00005\",mode=\"names\"} 0",
            "trustpool_filter_duration_seconds_bucket{le=\"0.0001\",mode=\"names\"} 1",
            "trustpool_filter_duration_seconds_count{mode=\"full\"} 0",
            "trustpool_filter_refusals_total{reason=\"expired\"} 2",
            "trustpool_filter_refusals_total{reason=\"changed\"} 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} in\n{text}");
        }
    }
}
