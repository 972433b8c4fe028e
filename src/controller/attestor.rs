//! The one task that thinks: looks at everything, decides what changed and whom to ask, asks, and
//! hands what came of it to the recorder. Wakes on a change, an answer or the clock, and then looks
//! at the whole state.

mod cases;
mod question;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::domain::agenda::Agenda;
use crate::domain::plan::{Batch, plan};
use crate::domain::tally::Round;
use crate::store::Reader;

use super::metrics::{Metrics, OfPool};
use super::recorder::{Done, Write};
use super::setup::Setup;

pub use question::{Asked, ServiceHealth};

use cases::Cases;

/// The shortest time between two looks: at 5,000 nodes a look takes some milliseconds.
const PAUSE: Duration = Duration::from_millis(25);

/// Why the attestor ended.
#[derive(Debug, Error)]
#[error("a task that the attestor listens to is gone: {0}")]
pub struct Gone(&'static str);

/// What the attestor tells others about its rounds and services.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The last round of each pool.
    pub rounds: std::collections::BTreeMap<crate::domain::PoolName, Round>,
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
    pub forget: mpsc::Sender<(crate::domain::NodeName, Arc<crate::store::Kept>)>,
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
        let later = crate::domain::time::after(now.wall, jiff::SignedDuration::from_secs(10));
        let setup = Arc::clone(&self.setup.borrow_and_update());
        let snapshot = self.reader.take();
        if self.reader.ready(now).is_err() || !setup.complete {
            // Nothing is concluded from a view that may be partial or old.
            return later;
        }
        for write in desk.cases.look(&snapshot, &setup, now.wall) {
            self.write(write);
        }
        for gone in desk.cases.forgettable(now.wall) {
            // A full queue only means that it is forgotten a little later.
            drop(self.forget.try_send(gone));
        }
        let next = self.ask(desk, &setup, now.wall);
        let in_use = |name: &_| setup.services.contains_key(name);
        let cases = &desk.cases;
        desk.agenda.prune(|name| cases.has(name), in_use, now.wall);
        let expiry = desk.cases.next_expiry().filter(|expiry| *expiry > now.wall);
        expiry.map_or(next, |expiry| expiry.min(next)).min(later)
    }

    /// Sends the requests that are planned, ends the rounds that are over.
    fn ask(&self, desk: &mut Desk, setup: &Setup, now: Timestamp) -> Timestamp {
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
        let interval = |name: &_| {
            setup
                .pool(name)
                .map_or(jiff::SignedDuration::ZERO, |it| it.pool.interval)
        };
        for round in desk.agenda.rounds_over(&plan.waiting(), interval, now) {
            self.end_round(desk, setup, round, now);
        }
        plan.next
    }

    fn start(&self, desk: &mut Desk, setup: &Setup, batch: &Batch, backlog: bool, now: Timestamp) {
        desk.agenda.begin(batch, backlog, now);
        debug!(service = %batch.service, hosts = batch.items.len(), "asking");
        match question::ask(batch, &desk.cases, setup, &self.clock) {
            Some(asked) => desk.asked.push(asked),
            None => desk.agenda.answered(batch, &[]),
        }
    }

    fn end_round(&self, desk: &mut Desk, setup: &Setup, round: Round, now: Timestamp) {
        let of = OfPool {
            pool: round.pool.to_string(),
        };
        self.metrics.rounds.get_or_create(&of).inc();
        debug!(pool = %round.pool, asked = round.asked, verdicts = round.verdicts, "round ended");
        if let Some(pool) = setup.pool(&round.pool) {
            for write in desk.cases.silence(&round, pool, now) {
                self.write(write);
            }
        }
        self.progress.send_modify(|progress| {
            progress.rounds.insert(round.pool.clone(), round);
        });
    }

    fn answered(&self, desk: &mut Desk, asked: Asked) {
        let setup = Arc::clone(&self.setup.borrow());
        let now = self.clock.wall();
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
        }
    }

    fn write(&self, write: Write) {
        if self.writes.send(write).is_err() {
            warn!("the recorder is gone");
        }
    }
}
