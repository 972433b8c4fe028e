//! The filter in names mode, against a route of the same server that reads the same body and returns
//! a prepared answer of the same size.

use anyhow::ensure;
use tokio::task::block_in_place;

use super::child::Child;
use super::client::{Connection, Request};
use super::progress::Progress;
use super::requests;
use super::server::Serve;
use super::statistics::{Interval, Samples};
use super::table::{Goal, Row, Unit};

/// Pairs of a row: they cost a second each.
const PAIRS: usize = 21;

/// Requests of each kind in a pair, so that a pair's p99 is the tenth longest.
const REQUESTS: usize = 1_000;

/// Requests before the first pair.
const WARM_UP: usize = 200;

/// How many nodes, and of how many one is not trusted.
const CASES: [(usize, usize, &str); 4] = [
    (500, 0, "all trusted"),
    (500, 2, "half trusted"),
    (5_000, 0, "all trusted"),
    (5_000, 2, "half trusted"),
];

/// The rows.
///
/// # Errors
///
/// If the server does not answer.
pub async fn rows(progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (nodes, untrusted, what) in CASES {
        let what = format!("filter, {nodes} names, {what}");
        progress.say(&format!(
            "{what}: {PAIRS} pairs of {REQUESTS} requests each"
        ));
        let child = Child::start(Serve { nodes, untrusted }).await?;
        let pairs = block_in_place(|| measure(&child, nodes))?;
        rows.push(row(what, nodes, &pairs));
    }
    Ok(rows)
}

/// The times of one pair, in milliseconds.
struct Pair {
    ours: Vec<f64>,
    floor: Vec<f64>,
}

/// One side: on which connection to ask what.
struct Side(Connection, Request);

impl Side {
    fn open(child: &Child, path: &str, body: &[u8]) -> anyhow::Result<Self> {
        Ok(Self(child.connect()?, Request::post(path, body)))
    }

    /// Asks once, and says how many milliseconds that took.
    fn ask(&mut self) -> anyhow::Result<f64> {
        Ok(self.0.exchange(&self.1)?.as_secs_f64() * 1e3)
    }
}

fn measure(child: &Child, count: usize) -> anyhow::Result<Vec<Pair>> {
    let body = requests::names(count);
    let mut ours = Side::open(child, "/filter", &body)?;
    let mut floor = Side::open(child, "/prepared", &body)?;
    ours.ask()?;
    let answer = ours.0.answer();
    floor.0.exchange(&Request::post("/prepare", answer))?;
    floor.ask()?;
    ensure!(answer == floor.0.answer(), "the floor has another answer");
    pair(&mut ours, &mut floor, WARM_UP)?;
    (0..PAIRS)
        .map(|_| pair(&mut ours, &mut floor, REQUESTS))
        .collect()
}

/// Asks both in turns.
fn pair(ours: &mut Side, floor: &mut Side, requests: usize) -> anyhow::Result<Pair> {
    let mut pair = Pair {
        ours: Vec::with_capacity(requests),
        floor: Vec::with_capacity(requests),
    };
    for _ in 0..requests {
        pair.ours.push(ours.ask()?);
        pair.floor.push(floor.ask()?);
    }
    Ok(pair)
}

fn row(what: String, count: usize, pairs: &[Pair]) -> Row {
    let p99 = |times: &Vec<f64>| Samples::new(times.clone()).quantile(990);
    let ratios = pairs.iter().map(|pair| p99(&pair.ours) / p99(&pair.floor));
    let ratio = Interval::of(ratios.collect());
    let ours = Samples::new(pairs.iter().flat_map(|pair| pair.ours.clone()).collect());
    let floor = Samples::new(pairs.iter().flat_map(|pair| pair.floor.clone()).collect());
    let goal = if count == 500 {
        Goal::at_most(1.5, ratio, "p99 at most 1.5 × floor")
    } else {
        let own = Interval::of(pairs.iter().map(|pair| p99(&pair.ours)).collect());
        let text = format!("p99 under 1 ms: {:.2}–{:.2}", own.low, own.high);
        Goal::at_most(1.0, own, &text)
    };
    let limit = limit(&ours, &floor);
    Row {
        what,
        unit: Unit::Milliseconds,
        ours,
        floor,
        ratio,
        pairs: pairs.len(),
        goal,
        limit,
    }
}

/// What the difference to the floor is, and whether it grows in the tail.
fn limit(ours: &Samples, floor: &Samples) -> String {
    let more = |thousandths| (ours.quantile(thousandths) - floor.quantile(thousandths)) * 1e3;
    format!(
        "reading the names, looking them up and writing the answer take {:.0} µs at p50 and {:.0} µs \
         at p99; the rest is the floor's: HTTP, and the machine being busy with something else",
        more(500),
        more(990),
    )
}
