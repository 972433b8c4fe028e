//! `make bench`: what Trustpool costs, each thing beside a floor measured in the same run.
//!
//! ```text
//!   names, full ── Child: a process that serves the extender and the floors' routes
//!   mark, memory ─ Cluster: a real control plane with 5,000 nodes, the simulator, Trustpool
//!   schedule ───── Arena: the same with kube-scheduler, and as much of Trustpool as a sample wants
//!        │
//!        └──> Row: samples, floor's samples, ratio of each pair ──> table
//! ```
//!
//! Whatever is measured and its floor take turns, so that a machine that is busy with something else
//! slows both. A goal missed is said to be missed; no time ever fails anything.

mod child;
mod client;
mod cluster;
mod cpu;
mod facts;
mod full;
mod mark;
mod memory;
mod names;
mod observer;
mod progress;
mod requests;
mod schedule;
mod server;
mod statistics;
mod table;

use clap::{Parser, Subcommand, ValueEnum};

use cluster::Cluster;
use progress::Progress;
use statistics::Samples;
use table::Row;

/// Measures what Trustpool costs, and prints it as a table: each row beside a floor that was
/// measured in the same run, in turns.
///
/// A ratio is the median of all pairs, with the interval that holds the true median with 95 %
/// (sign test); a goal is met if the interval reaches it. Times depend on the machine: they are
/// printed, and fail nothing.
#[derive(Debug, Parser)]
#[command(
    name = "bench",
    after_help = "Examples:
  make bench
  make bench BENCH=names,memory
  make bench BENCH=mark BENCH_PAIRS=3
  make bench BENCH=schedule BENCH_NODES=1000 BENCH_PODS=500"
)]
pub struct Cli {
    /// Which rows to measure.
    #[arg(long, value_enum, value_delimiter = ',', env = "BENCH", default_values = ["names", "full", "mark", "memory", "schedule"])]
    rows: Vec<Part>,
    /// How many pairs to measure for a row; names have more.
    #[arg(long, env = "BENCH_PAIRS", default_value_t = 7)]
    pairs: usize,
    /// How many nodes to mark, to hold in memory, and to schedule to.
    #[arg(long, env = "BENCH_NODES", default_value_t = 5_000)]
    nodes: usize,
    /// How many pods to schedule for one sample.
    #[arg(long, env = "BENCH_PODS", default_value_t = 2_000)]
    pods: usize,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Rows that are measured together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Part {
    /// The filter in names mode.
    Names,
    /// The filter with whole Nodes.
    Full,
    /// From nothing to every node marked, on a real control plane.
    Mark,
    /// What the process holds in memory, on a real control plane.
    Memory,
    /// Pods that kube-scheduler places in a second, on a real control plane.
    Schedule,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Be the server that is measured.
    #[command(hide = true)]
    Serve(server::Serve),
    /// Be the extender with prepared answers.
    #[command(hide = true)]
    Prepared,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    ///
    /// If something could not be measured.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Some(Command::Serve(serve)) => serve.run().await,
            Some(Command::Prepared) => schedule::answer_forever(),
            None => self.measure().await,
        }
    }

    #[expect(clippy::print_stdout, reason = "this is what was asked for")]
    async fn measure(self) -> anyhow::Result<()> {
        let progress = Progress::default();
        println!("{}\n", facts::facts().await);
        let mut rows = Vec::new();
        if self.rows.contains(&Part::Names) {
            rows.extend(names::rows(&progress).await?);
        }
        if self.rows.contains(&Part::Full) {
            rows.extend(full::rows(self.pairs, &progress).await?);
        }
        if self.rows.contains(&Part::Mark) || self.rows.contains(&Part::Memory) {
            rows.extend(self.on_a_cluster(&progress).await?);
        }
        if self.rows.contains(&Part::Schedule) {
            let size = schedule::Size {
                nodes: self.nodes,
                pods: self.pods,
                pairs: self.pairs,
            };
            rows.extend(schedule::rows(size, &progress).await?);
        }
        println!("{}", table::draw(&rows));
        println!("{:.0} s in all", progress.seconds());
        Ok(())
    }

    /// The rows that need a control plane.
    async fn on_a_cluster(&self, progress: &Progress) -> anyhow::Result<Vec<Row>> {
        let mut cluster = Cluster::start(progress).await?;
        let memory = self.rows.contains(&Part::Memory);
        let empty = match memory {
            true => memory::empty(&cluster, progress).await?,
            false => Samples::default(),
        };
        cluster.populate(self.nodes, progress).await?;
        let mut rows = Vec::new();
        if self.rows.contains(&Part::Mark) {
            rows.extend(mark::rows(&cluster, self.pairs, progress).await?);
        }
        if memory {
            rows.extend(memory::rows(&cluster, empty, progress).await?);
        }
        Ok(rows)
    }
}
