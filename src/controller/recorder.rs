//! The task that writes NodeTrusts: losses of trust before gains, one write per node at a time.

mod queue;

use std::sync::Arc;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::api::node_trust::{NodeTrust, NodeTrustSpec, NodeTrustStatus};
use crate::clock::Clock;
use crate::domain::transition::{Answer, Facts, answer, observe, silent};
use crate::domain::{NodeName, Pool, Record, Verdict};
use crate::store::Kept;
use crate::telemetry::Chain;

use super::call::{Error, call};
use super::events::{Events, Notice};
use super::metrics::{Metrics, OfOutcome};

use queue::Queue;

/// How many writes may be under way at once.
pub const CONCURRENCY: usize = 16;

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

/// Everything a write needs.
#[derive(Clone, Debug)]
pub struct Recorder {
    api: Api<NodeTrust>,
    clock: Clock,
    metrics: Metrics,
    events: Events,
}

impl Recorder {
    /// Makes a recorder.
    #[must_use]
    pub fn new(client: Client, clock: Clock, metrics: Metrics, events: Events) -> Self {
        Self {
            api: Api::all(client),
            clock,
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
        let mut running: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
        let mut open = true;
        loop {
            while running.len() < CONCURRENCY {
                let Some(write) = queue.pop() else { break };
                running.push(Box::pin(self.record(write)));
            }
            // Only now: the last write to end may have made way for another of its node.
            if !open && running.is_empty() {
                return;
            }
            tokio::select! {
                Some(finished) = running.next() => {
                    queue.finish(&finished);
                    // The attestor is gone only when the process ends.
                    drop(done.send(finished));
                }
                write = writes.recv(), if open => match write {
                    Some(write) => queue.push(write),
                    None => open = false,
                },
            }
        }
    }

    async fn record(&self, write: Write) -> Done {
        let name = write.name.clone();
        let before = write.base.record.verdict;
        let kept = match self.try_record(&write).await {
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

    /// Applies the change to the newest record there is, until a write goes through. Nothing if an
    /// answer does not count for that record any more.
    async fn try_record(&self, write: &Write) -> Result<Option<Arc<Kept>>, Error> {
        let mut base = Arc::clone(&write.base);
        let mut sent = None;
        let mut attempt = 0;
        loop {
            match self.attempt(write, base, &mut sent).await {
                Ok(kept) => return Ok(Some(kept)),
                Err(error) if attempt + 1 >= ATTEMPTS => return Err(error),
                Err(error) if error.is_conflict() || error.is_missing() => {}
                Err(error) => self.pause(&error, attempt).await,
            }
            attempt += 1;
            base = self.read_again(write, &mut attempt).await?;
            match settled(write, &base, sent.as_ref(), self.clock.wall()) {
                Some(Settled::AsSent) => return Ok(Some(base)),
                Some(Settled::Overtaken) => return Ok(None),
                None => {}
            }
        }
    }

    /// Waits after a failure, longer each time.
    async fn pause(&self, error: &Error, attempt: u32) {
        self.count(error.outcome());
        sleep(crate::domain::backoff::service(attempt + 1).unsigned_abs()).await;
    }

    /// Applies the change to `base` and writes it; `sent` is then what was sent, whether or not the
    /// API server's answer comes.
    async fn attempt(
        &self,
        write: &Write,
        base: Arc<Kept>,
        sent: &mut Option<Record>,
    ) -> Result<Arc<Kept>, Error> {
        let now = self.clock.wall();
        let record = write.change.apply(&base, now);
        if !record.tells_more_than(&base.record) {
            return Ok(base);
        }
        let base = if base.version.is_empty() {
            self.create(&write.name, &base).await?
        } else {
            base
        };
        let status = NodeTrustStatus::of(&record, &base.conditions, base.generation, now);
        *sent = Some(Record::from(&status));
        let object = NodeTrust {
            metadata: ObjectMeta {
                name: Some(write.name.to_string()),
                resource_version: Some(base.version.clone()),
                uid: Some(base.uid.clone()),
                ..ObjectMeta::default()
            },
            spec: NodeTrustSpec::default(),
            status: Some(status),
        };
        let (name, params) = (write.name.as_str(), PostParams::default());
        let written = call(self.api.replace_status(name, &params, &object)).await?;
        Ok(Arc::new(Kept::from(&written)))
    }

    /// The record as the API server has it, tried as often as the write itself: nothing may be
    /// decided from a record that was made up.
    async fn read_again(&self, write: &Write, attempt: &mut u32) -> Result<Arc<Kept>, Error> {
        loop {
            match self.read(&write.name).await {
                Ok(kept) => return Ok(goes_on(write, kept)),
                Err(error) if *attempt + 1 >= ATTEMPTS => return Err(error),
                Err(error) => self.pause(&error, *attempt).await,
            }
            *attempt += 1;
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

/// What was believed of a node that had no NodeTrust goes on in one that has no status yet: it was
/// made for this write.
fn goes_on(write: &Write, read: Arc<Kept>) -> Arc<Kept> {
    let is_new = write.base.version.is_empty() && read.record == Record::default();
    if !is_new || read.version.is_empty() {
        return read;
    }
    Arc::new(Kept {
        record: write.base.record.clone(),
        ..Kept::clone(&read)
    })
}

/// Why a write that failed needs no other try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Settled {
    /// It went through, and only the API server's answer was lost.
    AsSent,
    /// The service's answer does not count for the record that is there now.
    Overtaken,
}

/// Says whether a write that failed needs no other try, now that `read` was read and `sent` had been
/// sent: counting one answer twice could end `untrusted`.
fn settled(write: &Write, read: &Kept, sent: Option<&Record>, now: Timestamp) -> Option<Settled> {
    if sent == Some(&read.record) {
        return Some(Settled::AsSent);
    }
    let is_answer = matches!(write.change, Change::Answered(..));
    let counts = write.change.apply(read, now) != read.record;
    (is_answer && !counts).then_some(Settled::Overtaken)
}

#[cfg(test)]
mod tests;
