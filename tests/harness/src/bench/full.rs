//! The filter with whole Nodes, against decoding them into Kubernetes' own types and encoding the
//! answer: the work alone, the same over a connection, and what the answer takes of memory.

use anyhow::ensure;
use axum::body::Body;
use axum::http::Request as HttpRequest;
use axum::http::header::CONTENT_LENGTH;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::task::block_in_place;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::child::Child;
use super::client::Request;
use super::progress::Progress;
use super::requests;
use super::server::{Floors, Measured, Serve};
use super::statistics::{Interval, Samples};
use super::table::{Goal, Row, Unit};

/// How many nodes, of how many one is not trusted, and how many requests of each kind in a pair.
const CASES: [(usize, usize, &str, usize); 4] = [
    (500, 0, "all trusted", 9),
    (500, 2, "half trusted", 9),
    (5_000, 0, "all trusted", 3),
    (5_000, 2, "half trusted", 3),
];

/// The rows.
///
/// # Errors
///
/// If the server does not answer.
pub async fn rows(pairs: usize, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (nodes, untrusted, share, requests) in CASES {
        let what = format!("filter, {nodes} Nodes, {share}");
        progress.say(&format!("{what}: {pairs} pairs of {requests} requests"));
        let serve = Serve { nodes, untrusted };
        rows.push(work(what, serve, [pairs, requests]).await?);
    }
    for (nodes, untrusted, share, requests) in CASES {
        let what = format!("  over loopback, {nodes}, {share}");
        progress.say(&format!("{what}: {pairs} pairs of {requests} requests"));
        let serve = Serve { nodes, untrusted };
        rows.push(loopback(what, serve, [pairs, requests]).await?);
    }
    for (nodes, untrusted, share, _) in CASES {
        let what = format!("  growth of peak memory, {nodes}, {share}");
        progress.say(&format!("{what}: {pairs} processes"));
        let serve = Serve { nodes, untrusted };
        rows.push(growth(what, serve, pairs).await?);
    }
    Ok(rows)
}

/// Times of one pair in milliseconds: ours, the floor's.
type Pair = [Vec<f64>; 2];

/// From a body in memory to the pieces of the answer, in this process: nothing but the work.
async fn work(what: String, serve: Serve, [pairs, requests]: [usize; 2]) -> anyhow::Result<Row> {
    let body = requests::nodes(serve.nodes);
    let (measured, floors) = (serve.extender(), serve.floors());
    let mut all = Vec::with_capacity(pairs);
    for pair in 0..=pairs {
        measured.live();
        let mut times: Pair = Default::default();
        for _ in 0..requests {
            times[0].push(answer(&measured, &body).await?);
            times[1].push(block_in_place(|| decode(&floors, &body))?);
        }
        // The first warms up.
        if pair > 0 {
            all.push(times);
        }
    }
    let limit = "finding the end of each Node takes one look at each byte of the request, and that \
                 it is UTF-8 another; the floor takes half as long where the allocator keeps its \
                 memory between two requests";
    let mut row = faster(what, all, limit.to_owned());
    row.goal = Goal::at_least(10.0, row.ratio, "at least 10 × faster");
    Ok(row)
}

async fn answer(measured: &Measured, body: &Bytes) -> anyhow::Result<f64> {
    let started = Instant::now();
    let request = HttpRequest::post("/filter").body(Body::from(body.clone()))?;
    let mut response = measured.router.clone().oneshot(request).await?;
    ensure!(response.status().is_success(), "{}", response.status());
    let declared = response.headers().get(CONTENT_LENGTH).cloned();
    let mut length = 0_usize;
    while let Some(frame) = response.body_mut().frame().await {
        length += frame?.into_data().map_or(0, |data| data.len());
    }
    ensure!(
        declared == Some(length.into()),
        "{length} bytes came of {declared:?}"
    );
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

fn decode(floors: &Floors, body: &Bytes) -> anyhow::Result<f64> {
    let started = Instant::now();
    let answer = floors.decode(body)?;
    let took = started.elapsed();
    drop(answer);
    Ok(took.as_secs_f64() * 1e3)
}

/// The same as the scheduler would see it, without a goal: most of it is HTTP.
async fn loopback(
    what: String,
    serve: Serve,
    [pairs, requests]: [usize; 2],
) -> anyhow::Result<Row> {
    let child = Child::start(serve).await?;
    let body = requests::nodes(serve.nodes);
    let measured = block_in_place(|| {
        let mut connection = child.connect()?;
        let paths = ["/filter", "/decoded", "/prepared"];
        let [ours, floor, http] = paths.map(|path| Request::post(path, &body));
        connection.exchange(&ours)?;
        let prepare = Request::post("/prepare", connection.answer());
        connection.exchange(&prepare)?;
        let mut all = (Vec::new(), Vec::new());
        for _ in 0..pairs {
            let mut times: Pair = Default::default();
            for _ in 0..requests {
                let mut time = |request| -> anyhow::Result<f64> {
                    Ok(connection.exchange(request)?.as_secs_f64() * 1e3)
                };
                times[0].push(time(&ours)?);
                times[1].push(time(&floor)?);
                all.1.push(time(&http)?);
            }
            all.0.push(times);
        }
        anyhow::Ok(all)
    });
    let (all, http) = measured?;
    let http = Samples::new(http).median();
    let limit = format!(
        "a prepared answer of the same size takes {http:.1} ms: HTTP and the kernel's copies"
    );
    Ok(faster(what, all, limit))
}

/// How many times faster we are than the floor.
fn faster(what: String, pairs: Vec<Pair>, limit: String) -> Row {
    let median = |times: &Vec<f64>| Samples::new(times.clone()).median();
    let ratios = pairs
        .iter()
        .map(|[ours, floor]| median(floor) / median(ours));
    let ratio = Interval::of(ratios.collect());
    let count = pairs.len();
    let (ours, floor): (Vec<_>, Vec<_>) = pairs.into_iter().map(|[a, b]| (a, b)).unzip();
    Row {
        what,
        unit: Unit::Milliseconds,
        ours: Samples::new(ours.concat()),
        floor: Samples::new(floor.concat()),
        ratio,
        pairs: count,
        goal: Goal::none(),
        limit,
    }
}

/// How much a fresh process's peak memory grows while it answers its first request with Nodes, in
/// MiB, against the size of the request.
async fn growth(what: String, serve: Serve, pairs: usize) -> anyhow::Result<Row> {
    let body = requests::nodes(serve.nodes);
    let [small, large] =
        [&requests::names(serve.nodes), &body].map(|it| Request::post("/filter", it));
    let mut grown = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        let child = Child::start(serve).await?;
        grown.push(block_in_place(|| {
            let mut connection = child.connect()?;
            connection.exchange(&small)?;
            let before = child.memory()?.resident;
            connection.exchange(&large)?;
            anyhow::Ok(child.memory()?.peak - before)
        })?);
    }
    let size = body.len() as f64 / f64::from(1 << 20);
    let ratio = Interval::of(grown.iter().map(|grown| grown / size).collect());
    Ok(Row {
        what,
        unit: Unit::MiB,
        ours: Samples::new(grown),
        floor: Samples::new(vec![size]),
        ratio,
        pairs,
        goal: Goal::at_most(2.0, ratio, "at most 2 × the body"),
        limit: "the request is held once; what else grows is the list of its Nodes".to_owned(),
    })
}
