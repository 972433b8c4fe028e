//! What the attestor remembers between two looks: who is under way, who failed, what each service
//! can take. Bookkeeping only: [`plan`](super::plan) decides.

use std::collections::{HashMap, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::plan::{Batch, Item, Lane};
use super::tally::{Round, Tallies};
use super::time::after;
use super::{NodeName, Outcome, Pool, PoolName, Service, ServiceName, backoff};

/// So many requests in a row may fail before their service itself is doubted. The search for one
/// culprit fails every second time at most.
const DOUBT: u32 = 4;

/// How long a node that is gone is remembered, so that deleting and re-creating it buys no question.
const MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// What to do about a request that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// One of its hosts may be the cause: ask in halves.
    Hosts,
    /// The service is: ask again later.
    Service,
}

/// All that is remembered.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    nodes: HashMap<NodeName, Memory>,
    desks: HashMap<ServiceName, Desk>,
    tallies: Tallies,
}

/// What is remembered of a node.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    state: State,
    asked_at: Option<Timestamp>,
    /// `asked_at` before the question under way and the search that it may have led to.
    asked_before: Option<Timestamp>,
    failures: u32,
    /// Its last request failed, and was about it alone.
    suspect: bool,
    outcome: Option<Outcome>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum State {
    /// A request about it is under way.
    Asked,
    #[default]
    Idle,
    /// It waits in a half of a failed batch.
    Waiting,
}

/// What is remembered of a service.
#[derive(Clone, Debug, Default)]
pub struct Desk {
    in_flight: usize,
    slow_in_flight: bool,
    groups: VecDeque<Group>,
    failures: u32,
    /// How many of them spoke against the service itself.
    doubts: u32,
    resumes_at: Option<Timestamp>,
    /// Whether nodes were waiting for a slot when requests were last sent.
    backlog: bool,
}

/// A half of a failed batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Group {
    /// Its nodes.
    pub items: Vec<Item>,
    /// How often it was halved.
    pub halvings: u32,
    /// Since when it waits.
    pub since: Timestamp,
}

impl Agenda {
    /// Notes that `batch` is sent; `backlog` says whether others of its service wait for a slot.
    pub fn begin(&mut self, batch: &Batch, backlog: bool, now: Timestamp) {
        for item in &batch.items {
            let memory = self.nodes.entry(item.name.clone()).or_default();
            memory.state = State::Asked;
            // The search for a culprit is part of the question that failed.
            if batch.halvings == 0 {
                memory.asked_before = memory.asked_at;
            }
            memory.asked_at = Some(now);
        }
        let desk = self.desks.entry(batch.service.clone()).or_default();
        desk.in_flight += 1;
        desk.backlog = backlog;
        desk.slow_in_flight |= batch.lane == Lane::Slow;
        let search = batch.halvings > 0;
        if search {
            desk.groups.retain(|group| group.items != batch.items);
        } else {
            self.tallies.begin(&batch.items, now);
        }
    }

    /// Notes an answer. Nodes of the batch without an outcome (gone meanwhile) are merely free again.
    pub fn answered(&mut self, batch: &Batch, outcomes: &[(NodeName, Outcome)]) {
        self.finish(batch);
        let desk = self.desks.entry(batch.service.clone()).or_default();
        desk.failures = 0;
        desk.doubts = 0;
        desk.resumes_at = None;
        for item in &batch.items {
            self.free(item);
        }
        for (name, outcome) in outcomes {
            let memory = self.nodes.entry(name.clone()).or_default();
            memory.outcome = Some(*outcome);
            memory.failures = 0;
            memory.suspect = false;
        }
        self.tallies.answered(&batch.items, outcomes);
    }

    /// Notes that `batch` was not sent: none of its nodes may be asked about any more.
    pub fn abandoned(&mut self, batch: &Batch) {
        self.finish(batch);
        for item in &batch.items {
            self.free(item);
        }
        self.tallies.answered(&batch.items, &[]);
    }

    /// Notes that the request failed as a whole, and returns the nodes that this tells something
    /// about: all of them if the service is to blame, the one that stood alone, else nobody.
    pub fn failed(&mut self, batch: &Batch, blame: Blame, now: Timestamp) -> Vec<NodeName> {
        self.finish(batch);
        self.doubt(&batch.service, blame, now);
        let names = batch.items.iter().map(|item| item.name.clone()).collect();
        let doubted = self.desk(&batch.service).is_doubted();
        match batch.items.as_slice() {
            items if blame == Blame::Service => {
                self.tallies.answered(items, &[]);
                for item in items {
                    self.free(item);
                    let memory = self.nodes.entry(item.name.clone()).or_default();
                    memory.asked_at = memory.asked_before;
                }
                names
            }
            [culprit] => {
                self.tallies.answered(&batch.items, &[]);
                self.free(culprit);
                let memory = self.nodes.entry(culprit.name.clone()).or_default();
                memory.suspect = true;
                // While nobody gets an answer, a host that fails alone is no culprit: its own wait
                // would outlast the service's trouble.
                let blamed = u32::from(!doubted);
                memory.failures = memory.failures.saturating_add(blamed);
                names
            }
            items => {
                // Their round goes on: the halves will tell.
                self.halve(batch, items, now);
                Vec::new()
            }
        }
    }

    /// Asks about a node again after the shortest interval: its answer could not be recorded.
    pub fn ask_again(&mut self, name: &NodeName) {
        if let Some(memory) = self.nodes.get_mut(name) {
            memory.outcome = Some(Outcome::HostPending);
        }
    }

    /// The rounds that are over: nobody under way and none of `waiting`, or longer than the interval
    /// of their pool.
    pub fn rounds_over<'a>(
        &mut self,
        waiting: &HashSet<PoolName>,
        pool: impl Fn(&PoolName) -> Option<&'a Pool>,
        now: Timestamp,
    ) -> Vec<Round> {
        self.tallies.over(waiting, pool, now)
    }

    /// Forgets nodes that `exists` does not know and that were not asked about lately, and services
    /// that are not `in_use`; frees nodes that wait at a service which does not judge their pool any
    /// more.
    pub fn prune(
        &mut self,
        exists: impl Fn(&NodeName) -> bool,
        in_use: impl Fn(&ServiceName) -> bool,
        judges: impl Fn(&ServiceName, &PoolName) -> bool,
        now: Timestamp,
    ) {
        let mut left = Vec::new();
        for (name, desk) in &mut self.desks {
            let leaves = |item: &mut Item| !in_use(name) || !judges(name, &item.pool);
            for group in &mut desk.groups {
                left.extend(group.items.extract_if(.., leaves));
            }
            desk.groups.retain(|group| !group.items.is_empty());
        }
        self.desks.retain(|name, _| in_use(name));
        left.iter().for_each(|item| self.free(item));
        self.tallies.answered(&left, &[]);
        self.nodes.retain(|name, memory| {
            let recent = memory
                .asked_at
                .is_some_and(|asked| after(asked, MEMORY) > now);
            recent || !memory.is_idle() || exists(name)
        });
    }

    /// What is remembered of a node.
    #[must_use]
    pub fn memory(&self, name: &NodeName) -> &Memory {
        const NOTHING: &Memory = &Memory {
            state: State::Idle,
            asked_at: None,
            asked_before: None,
            failures: 0,
            suspect: false,
            outcome: None,
        };
        self.nodes.get(name).unwrap_or(NOTHING)
    }

    /// What is remembered of a service.
    #[must_use]
    pub fn desk(&self, service: &ServiceName) -> &Desk {
        const NOTHING: &Desk = &Desk {
            in_flight: 0,
            slow_in_flight: false,
            groups: VecDeque::new(),
            failures: 0,
            doubts: 0,
            resumes_at: None,
            backlog: false,
        };
        self.desks.get(service).unwrap_or(NOTHING)
    }

    fn finish(&mut self, batch: &Batch) {
        let desk = self.desks.entry(batch.service.clone()).or_default();
        desk.in_flight = desk.in_flight.saturating_sub(1);
        desk.slow_in_flight &= batch.lane != Lane::Slow;
    }

    fn free(&mut self, item: &Item) {
        self.nodes.entry(item.name.clone()).or_default().state = State::Idle;
    }

    /// Puts both halves of a failed batch behind what waits already.
    fn halve(&mut self, batch: &Batch, items: &[Item], now: Timestamp) {
        for item in items {
            self.nodes.entry(item.name.clone()).or_default().state = State::Waiting;
        }
        let desk = self.desks.entry(batch.service.clone()).or_default();
        for half in items.chunks(items.len().div_ceil(2)) {
            let halvings = batch.halvings.saturating_add(1);
            desk.groups.push_back(Group {
                items: half.to_vec(),
                halvings,
                since: now,
            });
        }
    }

    /// Counts a failure of the service, and makes it wait once it is the likelier cause.
    fn doubt(&mut self, service: &ServiceName, blame: Blame, now: Timestamp) {
        let desk = self.desks.entry(service.clone()).or_default();
        desk.failures = desk.failures.saturating_add(1);
        // Whoever failed while the service is in doubt is asked about again: not at once.
        let doubted = blame == Blame::Service || desk.doubts > 0 || desk.failures > DOUBT;
        if doubted {
            desk.doubts = desk.doubts.saturating_add(1);
            desk.resumes_at = Some(after(now, backoff::service(desk.doubts)));
        }
    }
}

impl Memory {
    /// Says whether the node may be planned for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// When the last question was sent.
    #[must_use]
    pub const fn asked_at(&self) -> Option<Timestamp> {
        self.asked_at
    }

    /// How often in a row a request about this node alone failed.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Says whether the last request failed and was about this node alone.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// What the last answer gave.
    #[must_use]
    pub const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Says whether the service gave up on the host last time.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.outcome == Some(Outcome::HostTimeout)
    }
}

impl Desk {
    /// How many more requests may be sent. A service in doubt gets one at a time, and none before
    /// its wait is over.
    #[must_use]
    pub fn free_slots(&self, service: &Service, now: Timestamp) -> usize {
        match self.resumes_at {
            Some(_) if self.waits_until(now).is_some() => 0,
            Some(_) => 1_usize.saturating_sub(self.in_flight),
            None => service.max_in_flight.saturating_sub(self.in_flight),
        }
    }

    /// Says whether the service itself is the likelier cause of the last failures.
    #[must_use]
    pub const fn is_doubted(&self) -> bool {
        self.resumes_at.is_some()
    }

    /// Until when the service is not asked, if it is in doubt and its wait is not over. A wait that is
    /// longer than any was made by a clock that has been set back since, and is over.
    #[must_use]
    pub fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        let possible = after(now, backoff::service(u32::MAX));
        self.resumes_at
            .filter(|resumes| *resumes > now && *resumes <= possible)
    }

    /// Says whether the one slot of the slow lane is taken.
    #[must_use]
    pub const fn slow_slot_taken(&self) -> bool {
        self.slow_in_flight
    }

    /// Says whether nothing is under way or waits: the next request opens a round.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.in_flight == 0 && !self.backlog && self.groups.is_empty()
    }

    /// The halves that wait, oldest first.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter()
    }

    /// How many requests in a row failed.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}
