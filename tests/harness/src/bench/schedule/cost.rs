//! What a pod costs, and whom: it tells what limits a row.

use std::collections::BTreeMap;
use std::fmt;

use tokio::time::Instant;

use crate::bench::cpu::cpu;
use crate::bench::statistics::Samples;

/// In what kube-scheduler counts how long it decides.
const DECISION: &str = "scheduler_scheduling_algorithm_duration_seconds";

/// What one pod of a sample has cost.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Milliseconds of processor time, by program.
    pub programs: BTreeMap<&'static str, f64>,
    /// Milliseconds in which kube-scheduler decides about it, alone.
    pub decision: f64,
    /// Which share of all the time it decides.
    pub deciding: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, cost) in &self.programs {
            write!(f, "{name} {cost:.2}, ")?;
        }
        write!(f, "decision {:.2}", self.decision)
    }
}

/// Programs, and which process each one is.
#[derive(Clone, Debug)]
pub struct Meter(pub Vec<(&'static str, u32)>);

/// A meter that runs.
#[derive(Debug)]
pub struct Metered {
    meter: Meter,
    /// The seconds of processor time that each program had had at the start.
    begin: BTreeMap<&'static str, f64>,
    /// How many pods were bound by then.
    bound: usize,
    started: Instant,
}

impl Meter {
    /// Starts when so many pods are bound.
    ///
    /// # Errors
    ///
    /// If a program has ended.
    pub fn start(self, bound: usize) -> anyhow::Result<Metered> {
        Ok(Metered {
            begin: self.read()?,
            meter: self,
            bound,
            started: Instant::now(),
        })
    }

    fn read(&self) -> anyhow::Result<BTreeMap<&'static str, f64>> {
        let read = self.0.iter().map(|(name, id)| Ok((*name, cpu(*id)?)));
        read.collect()
    }
}

impl Metered {
    /// Ends when so many pods are bound, and kube-scheduler's metrics are `metrics`.
    ///
    /// # Errors
    ///
    /// If a program has ended.
    pub fn end(&self, bound: usize, metrics: &str) -> anyhow::Result<Cost> {
        let pods = bound.saturating_sub(self.bound).max(1) as f64;
        let programs = self.meter.read()?.into_iter().map(|(name, end)| {
            let begin = self.begin.get(name).copied().unwrap_or(0.0);
            (name, (end - begin) * 1e3 / pods)
        });
        let of = |what| metric(metrics, &format!("{DECISION}_{what}"));
        let decision = of("sum") / of("count");
        Ok(Cost {
            programs: programs.collect(),
            decision: decision * 1e3,
            deciding: decision * pods / self.started.elapsed().as_secs_f64(),
        })
    }
}

/// The sum of all values of a metric in Prometheus' text, whatever its labels.
#[must_use]
pub fn metric(text: &str, name: &str) -> f64 {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let of_this_name = rest.starts_with([' ', '{']);
        of_this_name.then(|| rest.rsplit_once(' ')?.1.parse::<f64>().ok())?
    });
    values.sum()
}

/// Milliseconds of processor time of each program in one sentence, ours and the floor's; then what
/// kube-scheduler's own decision takes.
#[must_use]
pub fn compare(ours: &[Cost], floor: &[Cost]) -> String {
    let names = |costs: &[Cost]| -> Vec<&'static str> {
        let names = costs.first().map(|cost| cost.programs.keys().copied());
        names.into_iter().flatten().collect()
    };
    let mut all = [names(ours), names(floor)].concat();
    all.sort_unstable();
    all.dedup();
    let programs = all.into_iter().map(|name| {
        let of = |cost: &Cost| cost.programs.get(name).copied().unwrap_or(0.0);
        format!("{name} {:.2} ({:.2})", median(ours, of), median(floor, of))
    });
    let programs: Vec<String> = programs.collect();
    let [decision, deciding] = [
        |cost: &Cost| cost.decision,
        |cost: &Cost| cost.deciding * 100.0,
    ]
    .map(|of| [median(ours, of), median(floor, of)]);
    format!(
        "processor time per pod in ms, in brackets the floor's: {}; kube-scheduler decides about one pod \
         after the other, {:.2} ms ({:.2}) each, which is {:.0} % ({:.0} %) of the time",
        programs.join(", "),
        decision[0],
        decision[1],
        deciding[0],
        deciding[1],
    )
}

fn median(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> f64 {
    Samples::new(costs.iter().map(of).collect()).median()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_summed_over_its_labels() {
        let text = "# TYPE a_count counter\na_count{mode=\"x\"} 2\na_count{mode=\"y z\"} 1e1\na_count_more 7\nb 3\n";

        for (name, expected) in [("a_count", 12.0), ("b", 3.0), ("c", 0.0)] {
            assert!((metric(text, name) - expected).abs() < 1e-9, "{name}");
        }
    }

    #[test]
    fn programs_that_only_one_side_has_are_compared_with_nothing() {
        let cost = |names: &[&'static str], decision| Cost {
            programs: names.iter().map(|name| (*name, 1.0)).collect(),
            decision,
            deciding: decision / 4.0,
        };

        let given = compare(&[cost(&["a", "b"], 3.0)], &[cost(&["a", "c"], 2.0)]);

        assert_eq!(
            given,
            "processor time per pod in ms, in brackets the floor's: a 1.00 (1.00), b 1.00 (0.00), \
             c 0.00 (1.00); kube-scheduler decides about one pod after the other, 3.00 ms (2.00) each, \
             which is 75 % (50 %) of the time"
        );
    }
}
