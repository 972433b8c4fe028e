//! The one task that thinks: looks at everything, decides what changed and whom to ask, asks, and
//! hands what came of it to the recorder. Wakes on a change, an answer or the clock, and then looks
//! at the whole state.

mod cases;
mod question;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};

use crate::api::NodeTrust;
use crate::clock::Clock;
use crate::domain::agenda::Agenda;
use crate::domain::plan::{Batch, plan};
use crate::domain::tally::Round;
use crate::domain::time::after;
use crate::domain::{NodeName, Now, PoolName};
use crate::store::{Kept, Reader};

use super::events::{Events, Notice, reference};
use super::metrics::{Metrics, OfPool};
use super::recorder::{Done, Write};
use super::setup::Setup;

pub use question::{Asked, ServiceHealth};

use cases::Cases;

/// The shortest time between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// The shortest time between two plans, unless there is an answer: a plan looks at every node.
const PLANNING: Duration = Duration::from_millis(100);

/// The longest time without a plan.
const LONGEST: Duration = Duration::from_secs(10);

/// Why the attestor ended.
#[derive(Debug, Error)]
#[error("a task that the attestor listens to is gone: {0}")]
pub struct Gone(&'static str);

/// What the attestor tells others about its rounds and services.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The last round of each pool.
    pub rounds: std::collections::BTreeMap<PoolName, Round>,
    /// How each service does.
    pub services: std::collections::BTreeMap<crate::domain::ServiceName, ServiceHealth>,
}

/// What the attestor is connected to.
#[derive(Debug)]
pub struct Attestor {
    /// Nodes and NodeTrusts.
    pub reader: Reader,
    /// What is configured.
    pub setup: watch::Receiver<Arc<Setup>>,
    /// Where records go.
    pub writes: mpsc::UnboundedSender<Write>,
    /// What became of them.
    pub done: mpsc::UnboundedReceiver<Done>,
    /// How rounds and services do.
    pub progress: watch::Sender<Progress>,
    /// NodeTrusts of nodes that are long gone.
    pub forget: mpsc::Sender<(NodeName, Arc<Kept>)>,
    /// Where Events go.
    pub events: Events,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

/// What is believed and under way.
#[derive(Default)]
struct Desk {
    cases: Cases,
    agenda: Agenda,
    asked: FuturesUnordered<BoxFuture<'static, Asked>>,
    planned: Planned,
    /// The pools that had nodes waiting for a slot in the last plan.
    waiting: HashSet<PoolName>,
}

/// When the last plan was made, and what happened since.
#[derive(Default)]
struct Planned {
    /// When (uptime).
    at: Option<Duration>,
    /// When the next one must be made, should nothing happen before.
    next: Timestamp,
    /// A request is over, and another may take its place.
    answered: bool,
    /// Something changed that planning depends on.
    stirred: bool,
}

impl Planned {
    /// How long to wait with the next plan.
    fn wait(&self, now: Now) -> Duration {
        let left = Duration::try_from(self.next.duration_since(now.wall)).unwrap_or_default();
        let Some(at) = self.at.filter(|_| !self.answered) else {
            return Duration::ZERO;
        };
        let longest = if self.stirred { PLANNING } else { LONGEST };
        left.min(at.saturating_add(longest).saturating_sub(now.uptime))
    }
}

impl Attestor {
    /// Runs for ever.
    ///
    /// # Errors
    ///
    /// A task that it depends on is gone.
    pub async fn run(mut self) -> Result<(), Gone> {
        let mut desk = Desk::default();
        loop {
            let next = self.look(&mut desk);
            let rested = Instant::now() + PAUSE;
            tokio::select! {
                changed = self.reader.changed() => changed.map_err(|_| Gone("store"))?,
                changed = self.setup.changed() => changed.map_err(|_| Gone("setup"))?,
                done = self.done.recv() => {
                    Self::written(&mut desk, done.ok_or(Gone("recorder"))?);
                }
                Some(asked) = desk.asked.next() => self.answered(&mut desk, asked),
                () = self.clock.sleep_until(next) => {}
                // Should the clock be set back meanwhile, that may be hours.
                () = sleep(LONGEST) => {}
            }
            self.rest(&mut desk, rested).await;
        }
    }

    /// Goes on taking in answers and results until the next look may be made.
    async fn rest(&mut self, desk: &mut Desk, until: Instant) {
        loop {
            tokio::select! {
                biased;
                () = sleep_until(until) => return,
                Some(done) = self.done.recv() => Self::written(desk, done),
                Some(asked) = desk.asked.next() => self.answered(desk, asked),
            }
        }
    }

    /// Looks at everything, sends what is to be asked and written, and says when to look again.
    fn look(&mut self, desk: &mut Desk) -> Timestamp {
        let now = self.clock.now();
        let setup = Arc::clone(&self.setup.borrow_and_update());
        let snapshot = self.reader.take();
        if self.reader.ready(now).is_err() || !setup.complete {
            // Nothing is concluded from a view that may be partial or old.
            return after(now.wall, SignedDuration::from_secs(10));
        }
        for write in desk.cases.look(&snapshot, &setup, now.wall) {
            self.write(write);
        }
        for (name, kept) in desk.cases.take_unreadable() {
            self.complain(&name, &kept);
        }
        desk.planned.stirred |= desk.cases.take_stirred();
        if desk.planned.wait(now).is_zero() {
            let next = self.ask(desk, &setup, now.wall);
            self.tidy(desk, &setup, now.wall);
            desk.planned = Planned {
                at: Some(now.uptime),
                next,
                ..Planned::default()
            };
        }
        let wait = SignedDuration::try_from(desk.planned.wait(now)).unwrap_or_default();
        let next = after(now.wall, wait);
        let expiry = desk.cases.next_expiry(now.wall);
        expiry.map_or(next, |expiry| expiry.min(next))
    }

    /// Says what an administrator wrote and meant otherwise.
    fn complain(&self, name: &NodeName, kept: &Kept) {
        let Some(unreadable) = &kept.unreadable else {
            return;
        };
        warn!(node = %name, %unreadable, "annotation was ignored");
        let trust = reference::<NodeTrust>(name.as_str(), Some(kept.uid.clone()));
        self.events.send(Notice::Ignored {
            trust: Box::new(trust),
            note: unreadable.to_string(),
        });
    }

    /// Forgets who is gone.
    fn tidy(&self, desk: &mut Desk, setup: &Setup, now: Timestamp) {
        for gone in desk.cases.forgettable(now) {
            // A full queue only means that it is forgotten a little later.
            drop(self.forget.try_send(gone));
        }
        self.progress.send_if_modified(|progress| {
            let before = (progress.rounds.len(), progress.services.len());
            progress.rounds.retain(|name, _| setup.pool(name).is_some());
            progress
                .services
                .retain(|name, _| setup.services.contains_key(name));
            before != (progress.rounds.len(), progress.services.len())
        });
        let in_use = |name: &_| setup.services.contains_key(name);
        let judges = |service: &_, pool: &_| {
            let pool = setup.pool(pool);
            pool.is_some_and(|it| it.pool.service == *service)
        };
        let cases = &desk.cases;
        let exists = |name: &_| cases.has(name);
        desk.agenda.prune(exists, in_use, judges, now);
    }

    /// Ends the rounds that are over, and sends the requests that are planned.
    fn ask(&self, desk: &mut Desk, setup: &Setup, now: Timestamp) -> Timestamp {
        // Before others begin: whoever is due next, however soon, is of the next round.
        self.end_rounds(desk, setup, now);
        let services: Vec<_> = setup
            .services
            .values()
            .map(|it| it.service.clone())
            .collect();
        let plan = plan(&desk.agenda, &desk.cases.members(setup), &services, now);
        for batch in &plan.start {
            let backlog = plan
                .wait
                .iter()
                .any(|waiting| waiting.service == batch.service);
            self.start(desk, setup, batch, backlog, now);
        }
        desk.waiting = plan.waiting();
        plan.next
    }

    fn end_rounds(&self, desk: &mut Desk, setup: &Setup, now: Timestamp) {
        let pool = |name: &_| setup.pool(name).map(|it| &it.pool);
        for round in desk.agenda.rounds_over(&desk.waiting, pool, now) {
            self.end_round(desk, setup, round, now);
        }
    }

    fn start(&self, desk: &mut Desk, setup: &Setup, batch: &Batch, backlog: bool, now: Timestamp) {
        desk.agenda.begin(batch, backlog, now);
        debug!(service = %batch.service, hosts = batch.items.len(), "asking");
        match question::ask(batch, &desk.cases, setup, &self.clock) {
            Some(asked) => desk.asked.push(asked),
            None => desk.agenda.abandoned(batch),
        }
    }

    /// Only a round of most of its pool is one to tell of: not the question about a node that joined.
    fn end_round(&self, desk: &mut Desk, setup: &Setup, round: Round, now: Timestamp) {
        debug!(pool = %round.pool, asked = round.asked, verdicts = round.verdicts, "round ended");
        if let Some(pool) = setup.pool(&round.pool) {
            for write in desk.cases.silence(&round, pool, now) {
                self.write(write);
            }
        }
        if desk.cases.is_whole(&round) {
            let pool = round.pool.to_string();
            self.metrics.rounds.get_or_create(&OfPool { pool }).inc();
            self.progress.send_modify(|progress| {
                progress.rounds.insert(round.pool.clone(), round);
            });
        }
    }

    fn answered(&self, desk: &mut Desk, asked: Asked) {
        let setup = Arc::clone(&self.setup.borrow());
        let now = self.clock.wall();
        desk.planned.answered = true;
        question::count(&asked, &self.metrics);
        self.progress.send_modify(|progress| {
            progress
                .services
                .entry(asked.batch.service.clone())
                .or_default()
                .note(&asked, now);
        });
        for (name, pool, answer) in question::settle(asked, &mut desk.agenda, now) {
            let Some(pool) = setup.pool(&pool) else {
                continue;
            };
            if let Some(write) = desk.cases.answer(&name, answer, pool, now) {
                self.write(write);
            }
        }
    }

    fn written(desk: &mut Desk, done: Done) {
        let name = done.name.clone();
        if !desk.cases.written(done) {
            desk.agenda.ask_again(&name);
            desk.planned.stirred = true;
        }
    }

    fn write(&self, write: Write) {
        if self.writes.send(write).is_err() {
            warn!("the recorder is gone");
        }
    }
}

#[cfg(test)]
mod tests;
