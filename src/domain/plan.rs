//! Whom to ask next, why, in which batches, and when to look again.
//!
//! Only an attestation that nears its end pulls its whole pool: one aligned round. Whoever is due for
//! another reason is asked at once, together with those that would be due soon anyway. Hosts that
//! made a request fail or time out travel behind all others, in one slot.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::agenda::{Agenda, Desk, Group};
use super::due::{Due, Subject, due};
use super::time::after;
use super::{NodeName, Pool, PoolName, Service, ServiceName};

/// The longest time without a look.
const LONGEST_SLEEP: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

/// How long hosts that failed wait behind those that did not, before they go first once.
pub const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(5);

/// One node of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    /// The node.
    pub name: NodeName,
    /// Its pool.
    pub pool: PoolName,
    /// Why it is asked about.
    pub due: Due,
}

/// Where a batch travels.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lane {
    /// With hosts that answer.
    Fast,
    /// Behind them: hosts that timed out, hosts that failed alone, and halves of failed batches.
    Slow,
}

/// One request to a service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Batch {
    /// Whom to ask.
    pub service: ServiceName,
    /// About whom; never empty.
    pub items: Vec<Item>,
    /// Where it travels.
    pub lane: Lane,
    /// How often the batch that this is a part of was halved: its deadlines are divided by two as
    /// often, so that the whole search for a culprit takes no longer than one more deadline.
    pub halvings: u32,
}

/// What to do now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Requests to send now.
    pub start: Vec<Batch>,
    /// Requests that wait for a slot, or for their service.
    pub wait: Vec<Batch>,
    /// When to look again, should nothing happen before; always later than now.
    pub next: Timestamp,
}

impl Plan {
    /// The pools that have nodes waiting to be asked about.
    #[must_use]
    pub fn waiting(&self) -> HashSet<PoolName> {
        self.wait
            .iter()
            .flat_map(|batch| &batch.items)
            .map(|item| item.pool.clone())
            .collect()
    }
}

/// The nodes of one pool that may be asked about: Ready, with an identity, not paused.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    /// The pool.
    pub pool: &'a Pool,
    /// Its nodes.
    pub subjects: Vec<Subject<'a>>,
}

/// Plans the next requests. Every due node is in exactly one batch; no batch is larger than its
/// service allows; a node under way is in none.
#[must_use]
pub fn plan(agenda: &Agenda, pools: &[Members<'_>], services: &[Service], now: Timestamp) -> Plan {
    let mut plan = Plan {
        start: Vec::new(),
        wait: Vec::new(),
        next: after(now, LONGEST_SLEEP),
    };
    let mut queues: HashMap<&ServiceName, Queue> = HashMap::new();
    for members in pools {
        let queue = queues.entry(&members.pool.service).or_default();
        gather(agenda, members, queue, &mut plan.next, now);
    }
    for service in services {
        let queue = queues.remove(&service.name).unwrap_or_default();
        schedule(agenda.desk(&service.name), service, queue, &mut plan, now);
    }
    plan
}

/// Due nodes of one service, as `(rank, item)`; the smaller rank goes first.
#[derive(Debug, Default)]
struct Queue {
    fast: Vec<(Timestamp, Item)>,
    /// Timed out last time: apart from the fast, together with each other.
    timed_out: Vec<(Timestamp, Item)>,
    /// Failed alone last time: alone again.
    alone: Vec<(Timestamp, Item)>,
}

/// Adds to `queue` whoever of a pool is due, or comes along.
fn gather(
    agenda: &Agenda,
    members: &Members<'_>,
    queue: &mut Queue,
    next: &mut Timestamp,
    now: Timestamp,
) {
    let pool = members.pool;
    let idle: Vec<_> = members
        .subjects
        .iter()
        .filter_map(|subject| {
            let memory = agenda.memory(subject.name);
            memory
                .is_idle()
                .then(|| (subject, memory, due(subject, memory, pool, now)))
        })
        .collect();
    let is_due = |when: Timestamp| when <= now;
    let pulled = idle
        .iter()
        .any(|(subject, _, (when, why))| is_due(*when) && *why == Due::Expiring && subject.pulls());
    let joined = idle
        .iter()
        .any(|(_, _, (when, why))| is_due(*when) && why.brings_along());
    let soon = after(now, pool.interval.checked_div(4).unwrap_or_default());
    for (subject, memory, (when, why)) in idle {
        let early = why.may_be_early() && subject.may_be_asked(memory, pool, now);
        let item = |due| Item {
            name: subject.name.clone(),
            pool: pool.name.clone(),
            due,
        };
        if is_due(when) {
            let rank = if why.is_urgent() {
                after(when, -pool.interval)
            } else {
                when
            };
            queue.lane(memory).push((rank, item(why)));
        } else if early && (pulled || (joined && when <= soon)) {
            queue.lane(memory).push((now, item(Due::Soon)));
        } else {
            *next = (*next).min(when);
        }
    }
}

impl Queue {
    /// Where a node with this past belongs.
    fn lane(&mut self, memory: &super::agenda::Memory) -> &mut Vec<(Timestamp, Item)> {
        if memory.is_suspect() {
            &mut self.alone
        } else if memory.timed_out() {
            &mut self.timed_out
        } else {
            &mut self.fast
        }
    }
}

/// Forms the batches of one service, and starts as many as it has slots for.
fn schedule(desk: &Desk, service: &Service, queue: Queue, plan: &mut Plan, now: Timestamp) {
    let mut free = desk.free_slots(service, now);
    if let Some(resume) = desk.waits_until(now) {
        plan.next = plan.next.min(resume);
    }
    let (slow, oldest) = slow(desk, service, &queue);
    let mut slow = slow.into_iter();
    // While the service is in doubt there is one slot, and only an answer ends that: hosts that fail
    // would keep it for ever.
    let overdue = !desk.is_doubted() && oldest.is_some_and(|since| after(since, PATIENCE) <= now);
    if overdue && free > 0 && !desk.slow_slot_taken() {
        plan.start.extend(slow.next());
        free -= 1;
    }
    let mut fast = chunks(queue.fast, first_size(desk, service), service.next)
        .map(|items| batch(service, items, Lane::Fast))
        .collect::<Vec<_>>()
        .into_iter();
    let starting: Vec<_> = fast.by_ref().take(free).collect();
    free -= starting.len();
    plan.start.extend(starting);
    if free > 0 && !overdue && !desk.slow_slot_taken() {
        plan.start.extend(slow.next());
    }
    plan.wait.extend(fast);
    plan.wait.extend(slow);
}

/// A round's first request is smaller, so that its first verdicts come sooner.
fn first_size(desk: &Desk, service: &Service) -> usize {
    if desk.is_at_rest() {
        service.first
    } else {
        service.next
    }
}

/// The batches of the slow lane, in order, and since when the first of them waits.
fn slow(desk: &Desk, service: &Service, queue: &Queue) -> (Vec<Batch>, Option<Timestamp>) {
    let mut batches: Vec<(Timestamp, Batch)> = desk
        .groups()
        .map(
            |Group {
                 items,
                 halvings,
                 since,
             }| {
                let halvings = *halvings;
                (
                    *since,
                    Batch {
                        halvings,
                        ..batch(service, items.clone(), Lane::Slow)
                    },
                )
            },
        )
        .collect();
    let alone = chunks(queue.alone.clone(), 1, 1);
    let timed_out = chunks(queue.timed_out.clone(), service.next, service.next);
    let oldest = |queue: &[(Timestamp, Item)]| queue.iter().map(|(rank, _)| *rank).min();
    for (items, since) in timed_out
        .map(|items| (items, oldest(&queue.timed_out)))
        .chain(alone.map(|items| (items, oldest(&queue.alone))))
    {
        batches.push((
            since.unwrap_or(Timestamp::MAX),
            batch(service, items, Lane::Slow),
        ));
    }
    batches.sort_by_key(|(since, _)| *since);
    let first = batches.first().map(|(since, _)| *since);
    (batches.into_iter().map(|(_, batch)| batch).collect(), first)
}

fn batch(service: &Service, items: Vec<Item>, lane: Lane) -> Batch {
    Batch {
        service: service.name.clone(),
        items,
        lane,
        halvings: 0,
    }
}

/// Cuts a queue, in order of rank and name, into a first piece and further ones.
fn chunks(
    mut queue: Vec<(Timestamp, Item)>,
    first: usize,
    next: usize,
) -> impl Iterator<Item = Vec<Item>> {
    queue.sort_by(|(a, left), (b, right)| (a, &left.name).cmp(&(b, &right.name)));
    let mut items = queue.into_iter().map(|(_, item)| item);
    let mut size = first;
    std::iter::from_fn(move || {
        let chunk: Vec<Item> = items.by_ref().take(size).collect();
        size = next;
        (!chunk.is_empty()).then_some(chunk)
    })
}

#[cfg(test)]
pub(super) mod tests;
