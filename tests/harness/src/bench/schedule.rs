//! Pods that a real kube-scheduler places in a second, with Trustpool and without.
//!
//! ```text
//!   Case ── which pods, which configuration of kube-scheduler, what of Trustpool is installed
//!     │
//!     └─> Arena: installs or removes it ──> sample: the pods are made, kube-scheduler starts, every
//!                                           one is bound, all are deleted ──> Sample
//! ```
//!
//! Pods wait before kube-scheduler starts, so that making them is no part of it, and the time runs
//! between two Bindings, by the API server's audit log, so that starting is no part of it either. A
//! floor knows nothing of Trustpool: no process, no policy, no webhook; the pods are the same to the
//! letter, and the nodes keep their labels.

mod arena;
mod binds;
mod case;
mod cost;
mod pods;
mod prepared;
mod roles;
mod sample;

use std::collections::BTreeMap;

use super::progress::Progress;
use super::statistics::{Interval, Samples};
use super::table::{Goal, Row, Unit};

use arena::Arena;
use case::{Case, ROUND};
use sample::Sample;

pub use prepared::answer_forever;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes, of which every other one is trusted.
    pub nodes: usize,
    /// Pods of one sample.
    pub pods: usize,
    /// Rounds: each has one sample of every case.
    pub pairs: usize,
}

/// The samples of one round.
type Round = BTreeMap<Case, Sample>;

/// The rows.
///
/// # Errors
///
/// If a part does not run, or a pod is not bound.
pub async fn rows(size: Size, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let mut arena = Arena::start(size.nodes, progress).await?;
    progress.say("schedule: warming up");
    arena.sample(Case::Plain, size.pods).await?;
    let mut rounds = Vec::with_capacity(size.pairs);
    for number in 1..=size.pairs {
        let mut round = Round::new();
        for case in turn(number) {
            let sample = arena.sample(case, size.pods).await?;
            let pairs = size.pairs;
            progress.say(&format!("schedule {number} of {pairs}: {case}: {sample}"));
            round.insert(case, sample);
        }
        rounds.push(round);
    }
    Ok(table(&rounds, size.nodes))
}

/// There and back, so that no case always has another one before it.
fn turn(number: usize) -> Vec<Case> {
    let mut cases = ROUND.to_vec();
    if number.is_multiple_of(2) {
        cases.reverse();
    }
    cases
}

fn table(rounds: &[Round], nodes: usize) -> Vec<Row> {
    let bound = |what: &str, cases, share: f64| {
        let mut row = row(rounds, what, cases, |sample| sample.bound);
        let text = format!("at least {:.0} % of floor", share * 100.0);
        row.goal = Goal::at_least(share, row.ratio, &text);
        row.limit = cost::compare(&costs(rounds, cases[0]), &costs(rounds, cases[1]));
        row
    };
    let made = |what: &str, cases| {
        let mut row = row(rounds, what, cases, |sample| sample.made);
        row.limit = format!(
            "no goal: kube-scheduler does not run meanwhile; {} are made at a time, and the API server \
             evaluates the policies for each",
            pods::CONCURRENCY
        );
        row
    };
    let plain = format!("{nodes} nodes, bound: pods that do not ask");
    let small = "  with 2 % of the nodes scored, against pods that do not ask";
    vec![
        bound(&plain, [Case::Plain, Case::PlainFloor], 0.99),
        bound("  pods that ask", [Case::Asking, Case::AskingFloor], 0.97),
        bound(small, [Case::AskingSmall, Case::PlainFloor], 1.0),
        bound(
            "  selector and bind gate, no extender",
            [Case::Bind, Case::BindFloor],
            0.95,
        ),
        made(
            "  made: pods that do not ask",
            [Case::Plain, Case::PlainFloor],
        ),
        made("  made: pods that ask", [Case::Asking, Case::AskingFloor]),
    ]
}

fn row(rounds: &[Round], what: &str, cases: [Case; 2], value: fn(&Sample) -> f64) -> Row {
    let values = |case| -> Vec<f64> {
        let samples = rounds.iter().filter_map(|round| round.get(&case));
        samples.map(value).collect()
    };
    let [ours, floor] = cases.map(values);
    let ratios = ours.iter().zip(&floor).map(|(ours, floor)| ours / floor);
    Row {
        what: what.to_owned(),
        unit: Unit::PodsPerSecond,
        ratio: Interval::of(ratios.collect()),
        pairs: rounds.len(),
        ours: Samples::new(ours),
        floor: Samples::new(floor),
        goal: Goal::none(),
        limit: String::new(),
    }
}

fn costs(rounds: &[Round], case: Case) -> Vec<cost::Cost> {
    let samples = rounds.iter().filter_map(|round| round.get(&case));
    samples.map(|sample| sample.cost.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(rates: [f64; 7]) -> Round {
        let sample = |bound| Sample {
            bound,
            made: 1_000.0,
            refused: 0,
            cost: cost::Cost::default(),
        };
        let samples = ROUND.into_iter().zip(rates);
        samples.map(|(case, rate)| (case, sample(rate))).collect()
    }

    #[test]
    fn a_case_is_held_against_its_floor_of_the_same_round() {
        let rounds = [
            round([200.0, 198.0, 200.0, 97.0, 100.0, 50.0, 47.0]),
            round([100.0, 98.0, 101.0, 95.0, 100.0, 100.0, 96.0]),
        ];

        let rows = table(&rounds, 5_000);

        let medians: Vec<String> = rows
            .iter()
            .map(|row| format!("{:.3}", row.ratio.median))
            .collect();
        assert_eq!(
            medians,
            ["0.985", "0.960", "1.005", "0.950", "1.000", "1.000"]
        );
    }

    #[test]
    fn every_other_round_goes_backwards() {
        let mut second = turn(2);
        second.reverse();

        assert_eq!(turn(1), ROUND);
        assert_eq!(second, ROUND);
    }
}
