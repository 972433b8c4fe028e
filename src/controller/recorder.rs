//! The task that writes NodeTrusts: losses of trust before gains, one write per node at a time.

mod job;
mod queue;

use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::api::node_trust::{NodeTrust, NodeTrustSpec, NodeTrustStatus};
use crate::clock::Clock;
use crate::domain::transition::{Answer, Facts, answer, observe, silent};
use crate::domain::{NodeName, Pool, Record, Verdict, backoff};
use crate::store::Kept;
use crate::telemetry::Chain;

use super::events::{Events, Notice};
use super::metrics::{Metrics, OfOutcome};
use crate::call::{Deposed, Error, call};

use job::{Job, Settled, goes_on};
use queue::Queue;

/// How many writes may be under way at once.
pub const CONCURRENCY: usize = 16;

/// How many more of those that failed before, losses and others each: however many writes fail for
/// ever, no other waits for them, nor a loss for gains.
const AGAIN: usize = 4;

/// How often a write is tried: with the waits between, about half a minute.
const ATTEMPTS: u32 = 7;

/// What happened to a node, to be recorded. Applied to whatever record the API server has.
#[derive(Clone, Debug)]
pub enum Change {
    /// The service answered.
    Answered(Box<Answer>, Box<Pool>),
    /// Something was seen of the node, or of the clock.
    Observed(Box<Facts>),
    /// A round ended without a word on the node.
    Silent(Box<Pool>),
}

impl Change {
    /// The record after the change.
    #[must_use]
    pub fn apply(&self, kept: &Kept, now: Timestamp) -> Record {
        match self {
            Self::Answered(given, pool) => answer(&kept.record, &kept.orders, given, pool, now),
            Self::Observed(facts) => observe(&kept.record, &kept.orders, facts, now),
            Self::Silent(pool) => silent(&kept.record, pool),
        }
    }
}

/// A change to record.
#[derive(Clone, Debug)]
pub struct Write {
    /// Of which node.
    pub name: NodeName,
    /// What happened.
    pub change: Change,
    /// The NodeTrust as last known; without a version if there is none.
    pub base: Arc<Kept>,
    /// Whether the node loses trust: such writes go first.
    pub is_loss: bool,
}

/// What became of a write.
#[derive(Debug)]
pub struct Done {
    /// Of which node.
    pub name: NodeName,
    /// The NodeTrust as it is now; nothing if it could not be written.
    pub kept: Option<Arc<Kept>>,
}

/// How a write ended.
enum Ended {
    /// For good.
    Done(Done),
    /// It may be tried again.
    Failed(Box<Job>),
}

/// Everything a write needs.
#[derive(Clone, Debug)]
pub struct Recorder {
    api: Api<NodeTrust>,
    clock: Clock,
    epoch: u32,
    metrics: Metrics,
    events: Events,
}

impl Recorder {
    /// Makes a recorder for the term `epoch`.
    #[must_use]
    pub fn new(client: Client, epoch: u32, clock: Clock, metrics: Metrics, events: Events) -> Self {
        Self {
            api: Api::all(client),
            clock,
            epoch,
            metrics,
            events,
        }
    }

    /// Records what comes in, until nothing more does and everything is written.
    pub async fn run(
        self,
        mut writes: mpsc::UnboundedReceiver<Write>,
        done: mpsc::UnboundedSender<Done>,
    ) {
        let mut queue = Queue::default();
        let [losses, others] = [(); 2].map(|()| Semaphore::new(AGAIN));
        let mut running: FuturesUnordered<BoxFuture<'_, Ended>> = FuturesUnordered::new();
        let mut failed: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        let mut open = true;
        loop {
            while running.len() < CONCURRENCY {
                let Some(write) = queue.pop() else { break };
                running.push(Box::pin(self.record(Job::from(write))));
            }
            // Only now: the last write to end may have made way for another of its node.
            if !open && running.is_empty() && failed.is_empty() {
                return;
            }
            let finished = tokio::select! {
                Some(ended) = running.next() => match ended {
                    Ended::Done(finished) => finished,
                    Ended::Failed(job) => {
                        let slots = if job.write.is_loss { &losses } else { &others };
                        failed.push(Box::pin(self.persist(*job, slots)));
                        continue;
                    }
                },
                Some(finished) = failed.next() => finished,
                write = writes.recv(), if open => {
                    open = write.is_some();
                    write.into_iter().for_each(|write| queue.push(write));
                    continue;
                },
            };
            queue.finish(&finished);
            // The attestor is gone only when the process ends.
            drop(done.send(finished));
        }
    }

    /// Tries again after a wait, longer each time.
    async fn persist(&self, mut job: Job, slots: &Semaphore) -> Done {
        loop {
            sleep(backoff::service(job.attempts).unsigned_abs()).await;
            // Never closed; if it were, the attempt would merely be one too many at once.
            let _slot = slots.acquire().await;
            match self.record(job).await {
                Ended::Done(done) => return done,
                Ended::Failed(again) => job = *again,
            }
        }
    }

    async fn record(&self, mut job: Job) -> Ended {
        match self.try_record(&mut job).await {
            Err(error) if job.attempts < ATTEMPTS => {
                self.count(error.outcome());
                Ended::Failed(Box::new(job))
            }
            result => Ended::Done(self.done(&job.write, result)),
        }
    }

    fn done(&self, write: &Write, result: Result<Option<Arc<Kept>>, Error>) -> Done {
        let name = write.name.clone();
        let before = write.base.record.verdict;
        let kept = match result {
            Ok(Some(kept)) => {
                self.count("ok");
                self.announce(&name, before, &kept);
                Some(kept)
            }
            Ok(None) => {
                self.count("overtaken");
                None
            }
            Err(error) => {
                self.count(error.outcome());
                warn!(node = %name, error = %Chain(&error), "NodeTrust could not be written");
                None
            }
        };
        Done { name, kept }
    }

    /// Applies the change to the newest record there is, until a write goes through or fails for another
    /// reason than that somebody else wrote. Nothing if an answer does not count for that record any
    /// more.
    async fn try_record(&self, job: &mut Job) -> Result<Option<Arc<Kept>>, Error> {
        loop {
            if job.attempts > 0 {
                job.base = self.read_again(job).await?;
                match job.settled(self.clock.wall()) {
                    Some(Settled::AsSent) => return Ok(Some(Arc::clone(&job.base))),
                    Some(Settled::Overtaken) => return Ok(None),
                    None => {}
                }
            }
            job.attempts += 1;
            match self.attempt(job).await {
                Err(error) if error.is_of_another() && job.attempts < ATTEMPTS => {}
                result => return result.map(Some),
            }
        }
    }

    /// Applies the change and writes it; `sent` is then what was sent, whether or not the API server's
    /// answer comes.
    async fn attempt(&self, job: &mut Job) -> Result<Arc<Kept>, Error> {
        let now = self.clock.wall();
        let (name, base) = (&job.write.name, Arc::clone(&job.base));
        let record = job.write.change.apply(&base, now);
        if !record.tells_more_than(&base.record) {
            return Ok(base);
        }
        if base.epoch > self.epoch {
            return Err(Deposed.into());
        }
        let base = if base.version.is_empty() {
            self.create(name, &base).await?
        } else {
            base
        };
        let status = NodeTrustStatus {
            epoch: Some(self.epoch),
            ..NodeTrustStatus::of(&record, &base.conditions, base.generation, now)
        };
        job.sent = Some(Record::from(&status));
        let object = NodeTrust {
            metadata: ObjectMeta {
                name: Some(name.to_string()),
                resource_version: Some(base.version.clone()),
                uid: Some(base.uid.clone()),
                ..ObjectMeta::default()
            },
            spec: NodeTrustSpec::default(),
            status: Some(status),
        };
        let params = PostParams::default();
        let written = self.api.replace_status(name.as_str(), &params, &object);
        Ok(Arc::new(Kept::from(&call(written).await?)))
    }

    /// The record as the API server has it: nothing may be decided from a record that was made up.
    async fn read_again(&self, job: &mut Job) -> Result<Arc<Kept>, Error> {
        match self.read(&job.write.name).await {
            Ok(kept) => Ok(goes_on(&job.write, kept)),
            Err(error) => {
                job.attempts += 1;
                Err(error)
            }
        }
    }

    /// Makes the NodeTrust; `base` is what is believed of a node that has none.
    async fn create(&self, name: &NodeName, base: &Kept) -> Result<Arc<Kept>, Error> {
        let object = NodeTrust::new(name.as_str(), NodeTrustSpec::default());
        let created = call(self.api.create(&PostParams::default(), &object)).await?;
        Ok(Arc::new(Kept {
            record: base.record.clone(),
            ..Kept::from(&created)
        }))
    }

    /// The NodeTrust as it is; an empty one if there is none.
    async fn read(&self, name: &NodeName) -> Result<Arc<Kept>, Error> {
        let object = call(self.api.get_opt(name.as_str())).await?;
        let kept = object.as_ref().map(Kept::from);
        Ok(Arc::new(kept.unwrap_or_default()))
    }

    fn announce(&self, name: &NodeName, before: Verdict, kept: &Kept) {
        let (verdict, reason) = (kept.record.verdict, kept.record.reason);
        if verdict != before {
            info!(node = %name, %verdict, %reason, was = %before, "verdict changed");
            let uid = kept
                .record
                .incarnation
                .as_ref()
                .map(|known| known.uid.clone());
            self.events.send(Notice::Verdict {
                node: name.clone(),
                uid,
                verdict,
                reason,
                message: kept.record.message(),
            });
        }
    }

    fn count(&self, outcome: &'static str) {
        self.metrics
            .record_writes
            .get_or_create(&OfOutcome { outcome })
            .inc();
    }
}

#[cfg(test)]
mod tests;
