//! The table: what was measured, beside its floor, and whether the goal is met.

use super::statistics::{Interval, Samples};

/// What a row's values are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// Of memory.
    MiB,
    /// Of short times.
    Milliseconds,
    /// Pods in a second: more is better.
    PodsPerSecond,
    /// Of long times.
    Seconds,
}

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// Of what unit the values are.
    pub unit: Unit,
    /// Trustpool.
    pub ours: Samples,
    /// What it is measured against.
    pub floor: Samples,
    /// The ratios of all pairs.
    pub ratio: Interval,
    /// How many pairs there were.
    pub pairs: usize,
    /// What is wanted.
    pub goal: Goal,
    /// What took the time or the memory: shown where the goal is missed.
    pub limit: String,
}

/// What is wanted, and whether it is so.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Goal {
    text: String,
    met: Option<bool>,
}

impl Goal {
    /// Nothing: measured to be seen beside the others.
    #[must_use]
    pub fn none() -> Self {
        Self {
            text: "none".to_owned(),
            met: None,
        }
    }

    /// No more than `limit`: met if the interval reaches down to it.
    #[must_use]
    pub fn at_most(limit: f64, measured: Interval, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            met: Some(measured.low <= limit),
        }
    }

    /// No less than `limit`: met if the interval reaches up to it.
    #[must_use]
    pub fn at_least(limit: f64, measured: Interval, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            met: Some(measured.high >= limit),
        }
    }
}

/// What stands above the columns.
const HEAD: [&str; 10] = [
    "",
    "p50",
    "p99",
    "floor p50",
    "p99",
    "ratio",
    "95 %",
    "pairs",
    "goal",
    "",
];

/// Draws the table, and under it what limits the goals that are missed, and the rows without one.
#[must_use]
pub fn draw(rows: &[Row]) -> String {
    let lines: Vec<[String; 10]> = std::iter::once(HEAD.map(str::to_owned))
        .chain(rows.iter().map(Row::cells))
        .collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in &lines {
        text.push_str(draw_line(line, &widths).trim_end());
        text.push('\n');
    }
    for row in rows.iter().filter(|row| row.goal.met != Some(true)) {
        let missed = row.goal.met.map_or("", |_| "MISSED: ");
        let what = row.what.trim();
        text.push_str(&format!("\n{missed}{what}\n  {}\n", row.limit));
    }
    text
}

/// Names and goals to the left, numbers to the right.
fn draw_line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let left = column == 0 || column >= 8;
        let space = " ".repeat(width - cell.chars().count());
        let (before, after) = if left { ("", &*space) } else { (&*space, "") };
        line.push_str(&format!("{before}{cell}{after}  "));
    }
    line
}

impl Row {
    fn cells(&self) -> [String; 10] {
        let Interval { low, median, high } = self.ratio;
        let met = match self.goal.met {
            None => "",
            Some(true) => "met",
            Some(false) => "MISSED",
        };
        [
            self.what.clone(),
            self.unit.show(self.ours.median()),
            self.unit.show(self.unit.tail(&self.ours)),
            self.unit.show(self.floor.median()),
            self.unit.show(self.unit.tail(&self.floor)),
            self.unit.ratio(median),
            format!("{}–{}", self.unit.ratio(low), self.unit.ratio(high)),
            self.pairs.to_string(),
            self.goal.text.clone(),
            met.to_owned(),
        ]
    }
}

impl Unit {
    /// What 99 % are not worse than.
    fn tail(self, samples: &Samples) -> f64 {
        match self {
            Self::PodsPerSecond => samples.quantile(10),
            Self::MiB | Self::Milliseconds | Self::Seconds => samples.quantile(990),
        }
    }

    /// A ratio, as exactly as its goal is set.
    fn ratio(self, ratio: f64) -> String {
        match self {
            Self::PodsPerSecond => format!("{ratio:.3}"),
            Self::MiB | Self::Milliseconds | Self::Seconds => format!("{ratio:.2}"),
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::MiB => format!("{value:.1} MiB"),
            Self::Milliseconds if value < 10.0 => format!("{value:.3} ms"),
            Self::Milliseconds => format!("{value:.1} ms"),
            Self::PodsPerSecond => format!("{value:.0} pods/s"),
            Self::Seconds => format!("{value:.2} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(what: &str, goal: Goal) -> Row {
        let ratio = Interval::of(vec![2.0, 2.0]);
        Row {
            what: what.to_owned(),
            unit: Unit::Milliseconds,
            ours: Samples::new(vec![2.0, 4.0]),
            floor: Samples::new(vec![1.0, 20.0]),
            ratio,
            pairs: 2,
            goal,
            limit: "the speed of light".to_owned(),
        }
    }

    #[test]
    fn a_goal_is_met_if_the_interval_reaches_it() {
        let interval = Interval {
            low: 1.4,
            median: 1.6,
            high: 1.8,
        };
        let table = [(1.5, true, true), (1.3, false, true), (1.9, true, false)];
        for (limit, at_most, at_least) in table {
            let given = [
                Goal::at_most(limit, interval, "").met,
                Goal::at_least(limit, interval, "").met,
            ];
            assert_eq!(given, [Some(at_most), Some(at_least)], "{limit}");
        }
    }

    #[test]
    fn of_rates_the_lowest_are_the_tail() {
        let rates = Row {
            unit: Unit::PodsPerSecond,
            ..row("pods", Goal::none())
        };

        let given = rates.cells();

        let expected = ["3 pods/s", "2 pods/s", "10 pods/s", "1 pods/s", "2.000"];
        assert_eq!(given.get(1..6), Some(&expected.map(str::to_owned)[..]));
    }

    #[test]
    fn a_goal_missed_is_said_so_with_what_limits_it() {
        let ratio = Interval::of(vec![2.0, 2.0]);
        let rows = [
            row("light", Goal::at_most(2.0, ratio, "2")),
            row("sound, far", Goal::at_most(1.5, ratio, "1.5")),
        ];

        let expected =
            "                 p50       p99  floor p50      p99  ratio       95 %  pairs  goal
light       3.000 ms  4.000 ms    10.5 ms  20.0 ms   2.00  2.00–2.00      2  2     met
sound, far  3.000 ms  4.000 ms    10.5 ms  20.0 ms   2.00  2.00–2.00      2  1.5   MISSED

MISSED: sound, far
  the speed of light
";
        assert_eq!(draw(&rows), expected);
    }
}
