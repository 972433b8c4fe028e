//! What the process holds in memory in steady state, against the same process in an empty cluster.

use std::time::Duration;

use tokio::time::{interval, sleep};

use crate::{Process, eventually};

use super::child::Memory;
use super::cluster::Cluster;
use super::progress::Progress;
use super::statistics::{Interval, Samples};
use super::table::{Goal, Row, Unit};

/// How often to look.
const PACE: Duration = Duration::from_secs(1);

/// How often to look at the process in an empty cluster, and in one that is full.
const LOOKS: [usize; 2] = [5, 60];

/// What the process holds in an empty cluster, in MiB.
///
/// # Errors
///
/// If it does not run.
pub async fn empty(cluster: &Cluster, progress: &Progress) -> anyhow::Result<Samples> {
    progress.say("memory: an empty cluster");
    let mut process = cluster.ready_trustpool().await?;
    let samples = look(&process, LOOKS[0]).await?;
    process.stop().await?;
    Ok(samples)
}

/// The row.
///
/// # Errors
///
/// If the process does not run.
pub async fn rows(
    cluster: &Cluster,
    floor: Samples,
    progress: &Progress,
) -> anyhow::Result<Vec<Row>> {
    let count = cluster.nodes.len();
    progress.say(&format!("memory: marking {count} nodes"));
    let mut process = cluster.ready_trustpool().await?;
    steady(cluster).await?;
    let marked = Memory::of(process.id())?;
    progress.say("memory: rounds of 30 s");
    let spec = serde_json::json!({"spec": {"refresh": {"interval": "30s"}}});
    cluster.world().change("trustpool", "default", spec).await?;
    let ours = look(&process, LOOKS[1]).await?;
    let peak = Memory::of(process.id())?.peak;
    process.stop().await?;
    let base = floor.median();
    let own = Interval {
        low: ours.quantile(25),
        median: ours.median(),
        high: ours.quantile(975),
    };
    let ratio = Interval {
        low: own.low / base,
        median: own.median / base,
        high: own.high / base,
    };
    Ok(vec![Row {
        what: format!("memory of the process, {count} nodes"),
        unit: Unit::MiB,
        pairs: 1,
        ratio,
        floor,
        ours,
        goal: Goal::at_most(64.0, own, "at most 64 MiB"),
        limit: format!(
            "{:.1} MiB when all were marked, at most {peak:.1} MiB at any time",
            marked.resident
        ),
    }])
}

/// Waits until every node carries its marks and its condition.
async fn steady(cluster: &Cluster) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{}/metrics", cluster.world().addresses.admin);
    let count = cluster.nodes.len() * 2;
    eventually(
        Duration::from_secs(300),
        "every node is marked",
        async || {
            sleep(PACE).await;
            let text = http
                .get(&url)
                .send()
                .await?
                .error_for_status()?
                .text()
                .await?;
            let writes = "trustpool_node_writes_total{outcome=\"ok\"} ";
            let writes = text
                .lines()
                .find_map(|line| line.strip_prefix(writes))
                .unwrap_or("0");
            anyhow::ensure!(
                writes.parse::<usize>()? >= count,
                "{writes} of {count} writes"
            );
            Ok(())
        },
    )
    .await
}

async fn look(process: &Process, times: usize) -> anyhow::Result<Samples> {
    let mut pace = interval(PACE);
    let mut samples = Vec::with_capacity(times);
    for _ in 0..times {
        pace.tick().await;
        samples.push(Memory::of(process.id())?.resident);
    }
    Ok(Samples::new(samples))
}
