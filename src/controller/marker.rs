//! The task that writes Nodes: labels and taint in one guarded patch, the condition a second later,
//! losses of trust first. Level-triggered: a mark that somebody else changed is put right.

pub(super) mod patch;
mod work;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use kube::Api;
use kube::api::{Patch, PatchParams};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::domain::mark;
use crate::store::{PartialNode, Reader, Tracked};
use crate::telemetry::Chain;

use super::metrics::{Metrics, OfOutcome};
use super::setup::Setup;
use crate::call::{Error, call};

use work::{Job, Mark, Work};

pub use work::breakers;

/// How many writes may be under way at once.
pub const CONCURRENCY: usize = 16;

/// The shortest time between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// The longest, so that a write that failed is tried again.
const LONGEST: Duration = Duration::from_secs(2);

/// Why the marker ended.
#[derive(Debug, Error)]
#[error("a task that the marker listens to is gone: {0}")]
pub struct Gone(&'static str);

/// What the marker is connected to.
#[derive(Clone, Debug)]
pub struct Marker {
    /// Nodes and NodeTrusts.
    pub reader: Reader,
    /// What is configured.
    pub setup: watch::Receiver<Arc<Setup>>,
    /// Where marks go.
    pub nodes: Api<PartialNode>,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

impl Marker {
    /// Runs for ever.
    ///
    /// # Errors
    ///
    /// A task that it depends on is gone.
    pub async fn run(mut self) -> Result<(), Gone> {
        let writer = Writer::of(&self);
        let mut work = Work::default();
        let mut running: FuturesUnordered<BoxFuture<'_, (Job, Option<String>)>> =
            FuturesUnordered::new();
        loop {
            let started = Instant::now();
            let wait = self.look(&mut work);
            // A look costs some milliseconds at 5,000 nodes, a write far more of the API server:
            // writes go on while it is too early for the next look.
            let mut next = started + wait.max(PAUSE);
            loop {
                while running.len() < CONCURRENCY {
                    let Some(job) = work.pop() else { break };
                    running.push(Box::pin(writer.write(job)));
                }
                tokio::select! {
                    Some((job, version)) = running.next() => {
                        work.finish(&job, version, self.clock.uptime());
                    }
                    changed = self.changed(), if next > started + PAUSE => {
                        changed?;
                        next = started + PAUSE;
                    }
                    () = sleep_until(next) => break,
                }
            }
        }
    }

    /// Waits for anything that a look could see.
    async fn changed(&mut self) -> Result<(), Gone> {
        tokio::select! {
            changed = self.reader.changed() => changed.map_err(|_| Gone("store")),
            changed = self.setup.changed() => changed.map_err(|_| Gone("setup")),
        }
    }

    /// Looks at everything, and says how long to wait before the next look.
    fn look(&mut self, work: &mut Work) -> Duration {
        let now = self.clock.now();
        let setup = Arc::clone(&self.setup.borrow_and_update());
        let snapshot = self.reader.take();
        if self.reader.ready(now).is_err() || !setup.complete {
            return LONGEST;
        }
        let again = work.look(&snapshot, &setup, now);
        again
            .map_or(LONGEST, |again| again.saturating_sub(now.uptime))
            .min(LONGEST)
    }
}

/// Writes marks.
struct Writer {
    nodes: Api<PartialNode>,
    reader: Reader,
    setup: watch::Receiver<Arc<Setup>>,
    clock: Clock,
    metrics: Metrics,
}

impl Writer {
    fn of(marker: &Marker) -> Self {
        Self {
            nodes: marker.nodes.clone(),
            reader: marker.reader.clone(),
            setup: marker.setup.clone(),
            clock: marker.clock.clone(),
            metrics: marker.metrics.clone(),
        }
    }

    /// Writes one mark, and returns the version that this made of the Node.
    async fn write(&self, job: Job) -> (Job, Option<String>) {
        let written = match &job.mark {
            Mark::Condition(status, reason) => {
                let now = self.clock.wall();
                let patch = patch::condition(status, *reason, &job.node, now);
                let name = job.name.as_str();
                let params = PatchParams::default();
                call(
                    self.nodes
                        .patch_status(name, &params, &Patch::Strategic(patch)),
                )
                .await
            }
            Mark::Labels(change) => self.mark(&job, change).await,
        };
        let outcome = written.as_ref().map_or_else(Error::outcome, |_| "ok");
        self.count(outcome);
        match written {
            Ok(node) => {
                debug!(node = %job.name, mark = ?job.mark, "node marked");
                (job, node.metadata.resource_version)
            }
            Err(error) => {
                warn!(node = %job.name, error = %Chain(&error), "node could not be marked");
                (job, None)
            }
        }
    }

    /// Writes labels and taint; if somebody wrote the Node first, once more from what it is now.
    async fn mark(&self, job: &Job, change: &mark::Change) -> Result<PartialNode, Error> {
        let mut change = change.clone();
        let mut node = Arc::clone(&job.node);
        for _ in 0..CONFLICTS {
            let error = match self.patch(job, &change, &node).await {
                Err(error) => error,
                written => return written,
            };
            self.shed(&change, &node, &error).await;
            if !error.is_conflict() {
                return Err(error);
            }
            self.count("conflict");
            let fresh = call(self.nodes.get(job.name.as_str())).await?;
            node = Arc::new(Tracked::from(fresh.clone()));
            change = self.change(job, &node);
            if change.is_empty() {
                return Ok(fresh);
            }
        }
        self.patch(job, &change, &node).await
    }

    /// Takes the label `trusted` off a node that has lost it, if nothing else can be written: no kubelet
    /// keeps it by writing its Node without rest, or by filling it up to what etcd holds.
    async fn shed(&self, change: &mark::Change, node: &Tracked, error: &Error) {
        let carried = node.node.carried.trust.as_deref();
        let (Some(label), true) = (change.trust, change.sheds(carried)) else {
            return;
        };
        // What is taken off fits wherever it was.
        let label = label.filter(|_| error.is_conflict());
        let patch = Patch::Merge(patch::label(label, node));
        let (name, params) = (node.node.name.as_str(), PatchParams::default());
        let written = self.nodes.patch(name, &params, &patch);
        match call(written).await {
            Ok(_) => self.count("ok"),
            Err(error) => {
                self.count(error.outcome());
                warn!(node = name, error = %Chain(&error), "label could not be taken off");
            }
        }
    }

    fn count(&self, outcome: &'static str) {
        let of = OfOutcome { outcome };
        self.metrics.node_writes.get_or_create(&of).inc();
    }

    async fn patch(
        &self,
        job: &Job,
        change: &mark::Change,
        node: &Tracked,
    ) -> Result<PartialNode, Error> {
        let patch = Patch::Merge(patch::marks(change, node));
        call(
            self.nodes
                .patch(job.name.as_str(), &PatchParams::default(), &patch),
        )
        .await
    }

    /// What `node` lacks now.
    fn change(&self, job: &Job, node: &Tracked) -> mark::Change {
        let snapshot = self.reader.snapshot();
        let setup = Arc::clone(&self.setup.borrow());
        work::change(&snapshot, &setup, (&job.name, node), self.clock.wall())
    }
}

/// How often in a row a patch may meet a conflict before the marker looks again.
const CONFLICTS: u32 = 5;
