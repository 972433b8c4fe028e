//! The task that takes part in the election: reads and writes the Lease as [`Election`] says.

use std::fmt;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::call::{self, within};
use crate::clock::Clock;
use crate::telemetry::Chain;

use super::claim::{Claims, Term};
use super::election::{Election, RETRY, Record, Step};
use super::lease::lease;

/// How long a request may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// From a request that failed to the next.
const AGAIN: Duration = Duration::from_millis(500);

/// The highest epoch that anything was written in, as far as is known; nothing while this process could not lead.
pub type Past = Box<dyn Fn() -> Option<u32> + Send + Sync>;

/// One candidate for one Lease.
pub struct Elector {
    api: Api<Lease>,
    clock: Clock,
    election: Election,
    name: &'static str,
    known: Option<Lease>,
    past: Past,
    /// The leader that was last told of.
    told: Option<String>,
    term: watch::Sender<Option<Term>>,
}

impl Elector {
    /// A candidate called `me`, which nobody else may be, for the Lease `name` in `namespace`; and what it claims.
    /// `client` must not be behind the fence of these claims.
    #[must_use]
    pub fn new(
        client: Client,
        (namespace, name): (&str, &'static str),
        me: String,
        past: Past,
        clock: Clock,
    ) -> (Self, Claims) {
        let (term, claims) = Claims::new(clock.clone());
        let elector = Self {
            api: Api::namespaced(client, namespace),
            clock,
            election: Election::new(me),
            name,
            known: None,
            past,
            told: None,
            term,
        };
        (elector, claims)
    }

    /// Waits until this process leads, or is told to `stop`: then nothing, and it does not hold the Lease. A request that
    /// takes it is never given up on half way, or nobody would lead until it has run out.
    pub async fn campaign(&mut self, stop: &CancellationToken) -> Option<Term> {
        while !stop.is_cancelled() {
            let wait = self.step().await;
            let term = self.election.term(self.clock.uptime());
            if let Some(term) = term.filter(|_| !stop.is_cancelled()) {
                info!(
                    lease = self.name,
                    epoch = term.epoch,
                    me = self.election.me(),
                    "leading"
                );
                return Some(term);
            }
            let _told = timeout(wait, stop.cancelled()).await;
        }
        self.release().await;
        None
    }

    /// Renews the term until that fails for too long, or somebody else leads.
    pub async fn hold(&mut self) {
        let epoch = self.epoch();
        let mut wait = RETRY;
        while let Some(left) = self.left().filter(|_| self.epoch() == epoch) {
            tokio::select! {
                () = sleep(left) => break,
                next = async { sleep(wait).await; self.step().await } => wait = next,
            }
        }
        self.vacate();
        warn!(
            lease = self.name,
            me = self.election.me(),
            "not leading any more"
        );
    }

    /// Lets another one lead at once, if this process leads. Nothing may be written any more.
    pub async fn release(&mut self) {
        self.vacate();
        let mut released = self.try_release().await;
        // A renewal that was given up on half way may have come in between.
        if released.as_ref().is_err_and(call::Error::is_conflict) {
            released = self.try_release().await;
        }
        match released {
            Ok(true) => info!(lease = self.name, "released"),
            Ok(false) => {}
            Err(error) => warn!(error = %Chain(&error), "the Lease was not released"),
        }
    }

    /// Says whether there was anything to release.
    async fn try_release(&mut self) -> Result<bool, call::Error> {
        if self.election.decide(None, self.clock.uptime()) == Step::Look {
            self.look().await?;
        }
        let is_held = self.election.leader() == Some(self.election.me());
        if is_held {
            let epoch = self
                .known
                .as_ref()
                .map_or(0, |known| Record::from(known).epoch);
            self.put("", epoch).await?;
        }
        Ok(is_held)
    }

    /// The epoch of the term.
    fn epoch(&self) -> Option<u32> {
        let term = self.election.term(self.clock.uptime())?;
        Some(term.epoch)
    }

    /// How much of the term is left.
    fn left(&self) -> Option<Duration> {
        let now = self.clock.uptime();
        let term = self.election.term(now)?;
        Some(term.until.saturating_sub(now))
    }

    fn vacate(&mut self) {
        self.election.vacate();
        self.publish();
    }

    fn publish(&self) {
        let term = self.election.term(self.clock.uptime());
        self.term
            .send_if_modified(|known| std::mem::replace(known, term) != term);
    }

    /// Takes one step, and says how long to wait before the next.
    async fn step(&mut self) -> Duration {
        let taken = self.take().await;
        self.publish();
        self.tell();
        taken.unwrap_or_else(|error| {
            self.election.doubt();
            if error.is_of_another() {
                debug!(lease = self.name, "somebody else wrote the Lease first");
            } else {
                warn!(lease = self.name, error = %Chain(&error), "the Lease cannot be read or written");
            }
            AGAIN
        })
    }

    async fn take(&mut self) -> Result<Duration, call::Error> {
        let now = self.clock.uptime();
        match self.election.decide((self.past)(), now) {
            Step::Look => {
                self.look().await?;
                Ok(Duration::ZERO)
            }
            Step::Follow(wait) => {
                self.election.doubt();
                Ok(wait)
            }
            Step::Create => {
                let record = self.put("", 0).await?;
                self.election.saw(Some(record), self.clock.uptime());
                Ok(Duration::ZERO)
            }
            Step::Write { epoch, .. } => {
                let me = self.election.me().to_owned();
                let record = self.put(&me, epoch).await?;
                self.election.wrote(record, now, self.clock.uptime());
                Ok(RETRY)
            }
        }
    }

    async fn look(&mut self) -> Result<(), call::Error> {
        self.known = within(DEADLINE, self.api.get_opt(self.name)).await?;
        let record = self.known.as_ref().map(Record::from);
        self.election.saw(record, self.clock.uptime());
        Ok(())
    }

    /// Writes the Lease over what is known of it, or creates it.
    async fn put(&mut self, holder: &str, epoch: u32) -> Result<Record, call::Error> {
        // Should nobody hear the answer, what is known may be wrong.
        self.election.doubt();
        let new = lease(
            self.name,
            self.known.as_ref(),
            holder,
            epoch,
            self.clock.wall(),
        );
        let params = PostParams::default();
        let written = if self.known.is_some() {
            within(DEADLINE, self.api.replace(self.name, &params, &new)).await
        } else {
            within(DEADLINE, self.api.create(&params, &new)).await
        };
        let written = written?;
        let record = Record::from(&written);
        self.known = Some(written);
        Ok(record)
    }

    /// Says who leads, when that changes.
    fn tell(&mut self) {
        let leader = self.election.leader().map(str::to_owned);
        if leader.is_some() && leader != self.told {
            let others = leader.as_deref() != Some(self.election.me());
            if others {
                info!(lease = self.name, leader, "another process leads");
            }
            self.told = leader;
        }
    }
}

impl fmt::Debug for Elector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elector")
            .field("election", &self.election)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
