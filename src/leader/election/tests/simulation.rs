//! An election in which every delay is given. Times are in milliseconds of one true clock.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Election, LEASE, RETRY, Record, Step};

/// One request of one candidate, and what comes before and after it.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// How long it dawdles beyond what it was told to wait.
    pub rest: u64,
    /// From when it decided until the server has done it.
    pub there: u64,
    /// From then until it hears of it.
    pub back: u64,
    /// It never hears of it, and gives up at once.
    pub is_lost: bool,
}

/// One candidate.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// How far its clock is ahead.
    pub offset: u64,
    /// How fast it runs, in percent.
    pub rate: u64,
    /// What it does, until it dies.
    pub turns: Vec<Turn>,
}

impl Candidate {
    /// What its clock says.
    fn clock(&self, at: u64) -> Duration {
        Duration::from_millis(self.offset + at * self.rate / 100)
    }

    /// When its clock says so, or later.
    fn truth(&self, clock: Duration) -> u64 {
        let millis = u64::try_from(clock.as_millis()).unwrap() - self.offset;
        (millis * 100).div_ceil(self.rate)
    }

    /// How long it takes for its clock to go on by `length`.
    const fn wait(&self, length: u64) -> u64 {
        length * 100 / self.rate
    }
}

/// Somebody could act from then until then.
#[derive(Clone, Copy, Debug)]
pub struct Led {
    pub candidate: usize,
    pub epoch: u32,
    pub from: u64,
    pub until: u64,
}

/// What is to happen.
enum Event {
    /// A candidate decides.
    Decide,
    /// A request of it, begun then, is done by the server.
    Serve { step: Step, begun: u64 },
    /// It hears how the Lease is, and whether it was itself that wrote it so.
    Hear {
        record: Option<Record>,
        wrote: bool,
        begun: u64,
    },
    /// Somebody deletes the Lease.
    Delete,
}

struct World<'a> {
    candidates: &'a [Candidate],
    elections: Vec<Election>,
    turns: Vec<usize>,
    lease: Option<Record>,
    versions: u64,
    past: u32,
    events: BTreeMap<(u64, u64), (usize, Event)>,
    order: u64,
    led: Vec<Led>,
}

/// Runs until every candidate is dead. Says who could act when.
pub fn run(candidates: &[Candidate], deleted: Option<u64>) -> Vec<Led> {
    let named = |at: usize| Election::new(format!("c{at}"));
    let mut world = World {
        candidates,
        elections: (0..candidates.len()).map(named).collect(),
        turns: vec![0; candidates.len()],
        lease: None,
        versions: 0,
        past: 0,
        events: BTreeMap::new(),
        order: 0,
        led: Vec::new(),
    };
    for who in 0..candidates.len() {
        world.later(0, who, Event::Decide);
    }
    if let Some(at) = deleted {
        world.later(at, 0, Event::Delete);
    }
    while let Some(((now, _), (who, event))) = world.events.pop_first() {
        world.happen(now, who, event);
    }
    world.led
}

impl World<'_> {
    fn later(&mut self, at: u64, who: usize, event: Event) {
        self.order += 1;
        self.events.insert((at, self.order), (who, event));
    }

    fn happen(&mut self, now: u64, who: usize, event: Event) {
        match event {
            Event::Decide => self.decide(now, who),
            Event::Serve { step, begun } => self.serve(now, who, step, begun),
            Event::Hear {
                record,
                wrote,
                begun,
            } => self.hear(now, who, record, wrote, begun),
            Event::Delete => self.lease = None,
        }
    }

    /// What the candidate does in its present turn; nothing once it is dead.
    fn turn(&self, who: usize) -> Option<Turn> {
        self.candidates[who].turns.get(self.turns[who]).copied()
    }

    fn decide(&mut self, now: u64, who: usize) {
        let Some(turn) = self.turn(who) else { return };
        let clock = self.candidates[who].clock(now);
        let step = self.elections[who].decide(Some(self.past), clock);
        self.elections[who].doubt();
        if let Step::Follow(wait) = step {
            self.next(now, who, wait);
        } else {
            let event = Event::Serve { step, begun: now };
            self.later(now + turn.there, who, event);
        }
    }

    /// The next turn begins after `wait` by the candidate's own clock, or somewhat later.
    fn next(&mut self, now: u64, who: usize, wait: Duration) {
        let Some(turn) = self.turn(who) else { return };
        self.turns[who] += 1;
        let wait = u64::try_from(wait.as_millis()).unwrap();
        let wait = self.candidates[who].wait(wait);
        self.later(now + wait + turn.rest, who, Event::Decide);
    }

    fn serve(&mut self, now: u64, who: usize, step: Step, begun: u64) {
        let Some(turn) = self.turn(who) else { return };
        let version = self.lease.as_ref().map(|lease| lease.version.clone());
        let wrote = match step {
            Step::Create if version.is_none() => {
                self.write(String::new(), 0);
                false
            }
            Step::Write { epoch, over } if version.as_ref() == Some(&over) => {
                self.write(format!("c{who}"), epoch);
                true
            }
            _ => false,
        };
        if turn.is_lost {
            return self.next(now, who, RETRY);
        }
        let record = self.lease.clone();
        let event = Event::Hear {
            record,
            wrote,
            begun,
        };
        self.later(now + turn.back, who, event);
    }

    fn write(&mut self, holder: String, epoch: u32) {
        self.versions += 1;
        self.past = self.past.max(epoch);
        self.lease = Some(Record {
            holder,
            epoch,
            length: LEASE,
            version: self.versions.to_string(),
        });
    }

    fn hear(&mut self, now: u64, who: usize, record: Option<Record>, wrote: bool, begun: u64) {
        let candidate = &self.candidates[who];
        let (clock, begun) = (candidate.clock(now), candidate.clock(begun));
        let election = &mut self.elections[who];
        match record {
            Some(record) if wrote => election.wrote(record, begun, clock),
            record => election.saw(record, clock),
        }
        if let Some(term) = election.term(clock) {
            let until = candidate.truth(term.until);
            self.led.push(Led {
                candidate: who,
                epoch: term.epoch,
                from: now,
                until,
            });
        }
        let wait = if wrote { RETRY } else { Duration::ZERO };
        self.next(now, who, wait);
    }
}
