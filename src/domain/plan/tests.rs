//! Plans, by example and by property.

mod failures;
mod properties;
mod rounds;
mod simulation;
mod starvation;

use jiff::SignedDuration;

use super::*;
use crate::domain::agenda::Blame;
use crate::domain::fixtures::{at, pool};
use crate::domain::{Orders, Outcome, Reason, Record, Verdict};

pub(super) fn service() -> Service {
    let (first, next, max_in_flight) = (10, 20, 4);
    Service {
        name: "oat".into(),
        url: "https://oat".to_owned(),
        first,
        next,
        max_in_flight,
    }
}

/// Nodes by number, each with a record.
pub(super) struct World {
    pub(super) agenda: Agenda,
    pub(super) nodes: Vec<(NodeName, Record)>,
    orders: Orders,
    pub(super) pool: Pool,
    pub(super) service: Service,
}

pub(in crate::domain) fn new_record(second: i64) -> Record {
    Record {
        incarnation_seen_at: Some(at(second)),
        ..Record::default()
    }
}

pub(in crate::domain) fn trusted_record(second: i64) -> Record {
    Record {
        verdict: Verdict::Trusted,
        reason: Reason::Attested,
        incarnation_seen_at: Some(at(-1_000)),
        requested_at: Some(at(second)),
        ..Record::default()
    }
}

impl World {
    pub(super) fn of(records: Vec<Record>) -> Self {
        let name = |number: usize| NodeName::from(format!("node-{number:04}"));
        Self {
            agenda: Agenda::default(),
            nodes: records
                .into_iter()
                .enumerate()
                .map(|(n, r)| (name(n), r))
                .collect(),
            orders: Orders::default(),
            pool: pool(),
            service: service(),
        }
    }

    pub(super) fn plan(&self, now: Timestamp) -> Plan {
        let orders = &self.orders;
        let subjects = self
            .nodes
            .iter()
            .map(|(name, record)| Subject {
                name,
                record,
                orders,
            })
            .collect();
        let members = Members {
            pool: &self.pool,
            subjects,
        };
        plan(
            &self.agenda,
            &[members],
            std::slice::from_ref(&self.service),
            now,
        )
    }

    /// Plans and begins what is to start.
    pub(super) fn start(&mut self, now: Timestamp) -> Vec<Batch> {
        let plan = self.plan(now);
        for batch in &plan.start {
            self.agenda.begin(batch, !plan.wait.is_empty(), now);
        }
        plan.start
    }

    /// Answers every node of `batch` with `outcome`.
    pub(super) fn answer(&mut self, batch: &Batch, outcome: Outcome) {
        let names = batch.items.iter().map(|item| (item.name.clone(), outcome));
        self.agenda.answered(batch, &names.collect::<Vec<_>>());
    }
}

fn sizes(batches: &[Batch]) -> Vec<usize> {
    batches.iter().map(|batch| batch.items.len()).collect()
}

fn reasons(plan: &Plan) -> Vec<Due> {
    let batches = plan.start.iter().chain(&plan.wait);
    batches
        .flat_map(|batch| &batch.items)
        .map(|item| item.due)
        .collect()
}

#[test]
fn a_round_goes_out_in_stages_as_far_as_there_are_slots() {
    let mut world = World::of(vec![new_record(0); 100]);

    let plan = world.plan(at(0));
    assert_eq!(
        (sizes(&plan.start), sizes(&plan.wait)),
        (vec![10, 20, 20, 20], vec![20, 10])
    );

    let started = world.start(at(0));
    world.answer(&started[1], Outcome::Trusted);
    let plan = world.plan(at(1));
    assert_eq!(
        (sizes(&plan.start), sizes(&plan.wait)),
        (vec![20], vec![10])
    );
}

#[test]
fn only_an_attestation_that_nears_its_end_pulls_the_pool() {
    let mut records = vec![trusted_record(100); 9];
    records.push(trusted_record(0));

    let before = World::of(records.clone()).plan(at(299));
    let pulled = World::of(records.clone()).plan(at(300));
    records[9] = Record {
        verdict: Verdict::Unknown,
        ..trusted_record(0)
    };
    let alone = World::of(records).plan(at(300));

    assert_eq!((reasons(&before).len(), before.next), (0, at(300)));
    assert_eq!(reasons(&pulled).len(), 10);
    assert_eq!(
        reasons(&alone),
        [Due::Expiring],
        "nothing to lose, nobody to pull"
    );
}

#[test]
fn a_new_node_brings_along_those_that_would_be_due_within_a_quarter_of_the_interval() {
    // Due at 375, at 376, and asked too short a time ago.
    let world = World::of(vec![
        trusted_record(75),
        trusted_record(76),
        trusted_record(290),
        new_record(300),
    ]);

    let plan = world.plan(at(300));

    let names: Vec<_> = plan.start[0]
        .items
        .iter()
        .map(|item| item.name.as_str())
        .collect();
    assert_eq!(names, ["node-0003", "node-0000"], "the new node first");
}

#[test]
fn reasons_are_told_apart() {
    let rebooted = Record {
        verdict: Verdict::Unknown,
        reason: Reason::Rebooted,
        incarnation_seen_at: Some(at(200)),
        ..trusted_record(100)
    };
    let ready = Record {
        ready_since: Some(at(200)),
        ..trusted_record(100)
    };
    let table = [
        (new_record(0), Due::New),
        (rebooted, Due::Changed),
        (ready, Due::ReadyAgain),
        (trusted_record(-200), Due::Expiring),
    ];
    for (record, due) in table {
        assert_eq!(reasons(&World::of(vec![record]).plan(at(200))), [due]);
    }

    let mut world = World::of(vec![trusted_record(100)]);
    world.orders.attest = Some(at(150));
    assert_eq!(reasons(&world.plan(at(200))), [Due::ByHand]);
}

#[test]
fn a_pending_host_is_asked_again_after_the_shortest_interval() {
    let mut world = World::of(vec![new_record(0)]);
    let started = world.start(at(0));
    world.answer(&started[0], Outcome::HostPending);

    assert_eq!(reasons(&world.plan(at(29))), []);
    assert_eq!(reasons(&world.plan(at(30))), [Due::Pending]);
}

#[test]
fn a_failed_batch_is_asked_again_in_halves_behind_the_others_and_its_culprit_backs_off() {
    let mut world = World::of(vec![new_record(0); 10]);
    let started = world.start(at(0));
    assert!(
        world
            .agenda
            .failed(&started[0], Blame::Hosts, at(1))
            .is_empty()
    );

    let halves = world.start(at(1));
    assert_eq!(sizes(&halves), [5], "one slot for all that failed");
    assert_eq!(halves[0].halvings, 1);
    world.answer(&halves[0], Outcome::Trusted);

    let mut now = 2;
    let culprit = loop {
        let batch = world.start(at(now)).remove(0);
        let contains_it = batch.items.iter().any(|it| it.name.as_str() == "node-0009");
        if !contains_it {
            world.answer(&batch, Outcome::Trusted);
            continue;
        }
        now += 1;
        let culprit = world.agenda.failed(&batch, Blame::Hosts, at(now));
        if batch.items.len() == 1 {
            break culprit;
        }
    };
    assert_eq!(culprit, ["node-0009".into()]);
    assert_eq!(world.agenda.memory(&culprit[0]).failures(), 1);
}

#[test]
fn hosts_that_timed_out_travel_apart() {
    let mut world = World::of(vec![new_record(0); 30]);
    let started = world.start(at(0));
    world.answer(&started[0], Outcome::HostTimeout);
    world.answer(&started[1], Outcome::Trusted);

    let plan = world.plan(at(300));

    let lanes: Vec<_> = plan
        .start
        .iter()
        .map(|batch| (batch.lane, batch.items.len()))
        .collect();
    assert_eq!(
        lanes,
        [(Lane::Fast, 10), (Lane::Fast, 10), (Lane::Slow, 10)]
    );
}

#[test]
fn a_service_in_doubt_is_left_alone_and_then_asked_one_thing_at_a_time() {
    let mut world = World::of(vec![new_record(0); 100]);
    let started = world.start(at(0));
    let named = world.agenda.failed(&started[0], Blame::Service, at(0));
    assert_eq!(
        named.len(),
        10,
        "all of them learn that the service is away"
    );
    for batch in &started[1..] {
        world.agenda.failed(batch, Blame::Service, at(0));
    }

    let waiting = world.plan(at(7));
    assert_eq!((waiting.start.len(), waiting.next), (0, at(8)));
    let set_back = world.plan(at(-3_600));
    assert_eq!(set_back.start.len(), 1, "no wait is an hour long");
    let probe = world.start(at(8));
    assert_eq!(probe.len(), 1);
    world.answer(&probe[0], Outcome::Trusted);
    assert_eq!(world.plan(at(8)).start.len(), 4);
}
