//! What is believed of one node. No I/O.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::controller::recorder::{Change, Write};
use crate::controller::setup::Setup;
use crate::domain::time::after;
use crate::domain::transition::Facts;
use crate::domain::{Node, NodeName, PoolName, Readiness, Reason, Record, Verdict};
use crate::store::{Entry, Kept, is_later};

use super::boots::Boots;
use super::census::Place;

/// How many writes of one node may be under way or wait before what is seen of it waits, too.
const MOST_WRITES: usize = 2;

/// How long the NodeTrust of a Node that is gone is kept.
const MOURNING: SignedDuration = SignedDuration::from_hours(24);

/// What is believed of one node.
#[derive(Debug, Default)]
pub struct Case {
    /// The newest record, be it read or about to be written.
    pub kept: Arc<Kept>,
    /// The pool whose questions the node takes part in: it is Ready and has an identity.
    pub askable: Option<PoolName>,
    /// Its place when it was looked at last.
    pub place: Option<Place>,
    /// Its entry in the list of expiries.
    pub expiry: Option<Timestamp>,
    /// Something else is believed since the last look.
    unsettled: bool,
    /// Something changed that planning depends on.
    stirred: bool,
    /// Whether there was a NodeTrust when one was read last.
    recorded: bool,
    /// Writes under way. While there are any, what is read is older than what is believed.
    writing: usize,
    boots: Boots,
    presence: Presence,
}

/// Whether there is a Node.
#[derive(Clone, Copy, Debug, Default)]
enum Presence {
    /// Not since this time.
    Gone(Timestamp),
    /// There is.
    Here,
    /// Nobody has looked yet.
    #[default]
    NotLooked,
}

impl Case {
    /// Takes over what was read, unless more is known already.
    pub fn read(&mut self, entry: &Arc<Entry>, now: Timestamp) {
        self.presence = match self.presence {
            _ if entry.node.is_some() => Presence::Here,
            Presence::Gone(since) => Presence::Gone(since),
            Presence::Here => Presence::Gone(now),
            Presence::NotLooked => Presence::Gone(last_sign(entry).unwrap_or(now)),
        };
        if entry.node.is_none() {
            self.ask(None);
        }
        if self.writing > 0 {
            return;
        }
        match &entry.trust {
            Some(trust) if is_later(&trust.version, &self.kept.version) => {
                self.believe(Arc::clone(trust));
            }
            // The same, held once instead of twice.
            Some(trust) if *trust == self.kept => self.kept = Arc::clone(trust),
            // Somebody deleted it: nothing is known any more.
            None if self.recorded => {
                self.kept = Arc::default();
                self.stirred = true;
            }
            Some(_) | None => {}
        }
        self.recorded = entry.trust.is_some();
    }

    /// Believes `kept`; when the node became Ready is remembered here, and written along with the
    /// next thing that is worth a write.
    fn believe(&mut self, kept: Arc<Kept>) {
        let known = !self.kept.version.is_empty() || self.kept.record != Record::default();
        let ready_since = self.kept.record.ready_since;
        self.stirred |= self.kept.record != kept.record || self.kept.orders != kept.orders;
        self.kept = kept;
        if known && self.kept.record.ready_since != ready_since {
            Arc::make_mut(&mut self.kept).record.ready_since = ready_since;
        }
    }

    /// Compares what is believed with what was seen, and returns the write, if there is need of one.
    pub fn observe(
        &mut self,
        node: &Node,
        facts: Facts,
        setup: &Setup,
        now: Timestamp,
    ) -> Option<Write> {
        self.ask(self.askable(node, &facts, setup));
        self.boots.follow(&node.boot_id, &self.kept.record);
        // What is seen meanwhile is seen again once one of them is over: whatever a kubelet reports, and
        // however often, no more waits to be written.
        if !self.has_room() || self.kept.foreign {
            return None;
        }
        self.change(&node.name, Change::Observed(Box::new(facts)), now)
    }

    /// Says whether this boot was followed by another, and is back.
    pub fn is_back(&self, boot: &str) -> bool {
        self.boots.is_back(boot, &self.kept.record)
    }

    /// Believes what `change` makes of the record, and returns the write, if it is worth one.
    pub fn change(&mut self, name: &NodeName, change: Change, now: Timestamp) -> Option<Write> {
        let next = change.apply(&self.kept, now);
        let before = &self.kept.record;
        if next == *before {
            return None;
        }
        // Something else may follow from it.
        self.unsettled = true;
        self.stirred = true;
        let tells_more = next.tells_more_than(before);
        // That a node exists is worth no write: its first answer brings the rest along.
        let is_new = |record: &Record| {
            record.reason == Reason::NeverAttested && record.last_attempt.is_none()
        };
        let only_exists = matches!(change, Change::Observed(_)) && is_new(before) && is_new(&next);
        if !tells_more || only_exists {
            Arc::make_mut(&mut self.kept).record = next;
            return None;
        }
        let is_loss = next.verdict != Verdict::Trusted && before.verdict != next.verdict;
        let base = Arc::clone(&self.kept);
        Arc::make_mut(&mut self.kept).record = next;
        self.writing += 1;
        Some(Write {
            name: name.clone(),
            change,
            base,
            is_loss,
        })
    }

    /// Takes note of a write that is over; `kept` is the NodeTrust now, if it went through.
    pub fn written(&mut self, kept: Option<Arc<Kept>>) {
        self.writing = self.writing.saturating_sub(1);
        self.unsettled = true;
        if self.writing == 0 {
            // What could not be written is believed no longer: the next look reads what is there.
            self.believe(kept.unwrap_or_default());
        }
    }

    /// Says, once, whether something else is believed since the last look.
    pub const fn take_unsettled(&mut self) -> bool {
        std::mem::replace(&mut self.unsettled, false)
    }

    /// Says, once, whether something changed that planning depends on.
    pub const fn take_stirred(&mut self) -> bool {
        std::mem::replace(&mut self.stirred, false)
    }

    /// Says whether the node is in `pool`: one that has left it is judged by other rules.
    pub fn is_in(&self, pool: &PoolName) -> bool {
        let place = self.place.as_ref();
        place.is_some_and(|place| place.pool == *pool)
    }

    /// When trust ends by itself.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let record = &self.kept.record;
        let trusted = record.verdict == Verdict::Trusted;
        trusted.then(|| record.expires_at.unwrap_or(Timestamp::MIN))
    }

    /// Says whether there is no Node.
    pub const fn is_gone(&self) -> bool {
        matches!(self.presence, Presence::Gone(_))
    }

    /// Says whether another write may wait: else no more is asked or seen of the node.
    pub const fn has_room(&self) -> bool {
        self.writing < MOST_WRITES
    }

    /// Says whether writes are under way.
    pub const fn is_busy(&self) -> bool {
        self.writing > 0
    }

    /// Says whether the Node has been gone for a day, and there is nothing to remember of it.
    pub fn is_forgettable(&self, now: Timestamp) -> bool {
        let over = matches!(self.presence, Presence::Gone(since) if after(since, MOURNING) <= now);
        over && is_unremarkable(&self.kept)
    }

    /// A node is left alone while the pool that it is known in cannot be read.
    pub fn is_out_of_sight(&self, setup: &Setup) -> bool {
        let pool = self.kept.record.pool.as_ref();
        pool.is_some_and(|pool| setup.unreadable.contains(pool))
    }

    /// A node in no pool of which nothing is known is left alone.
    pub fn is_nobody(&self, node: &Node, setup: &Setup) -> bool {
        let Kept {
            record,
            orders,
            version,
            ..
        } = &*self.kept;
        let silent = version.is_empty() && record.pool.is_none() && orders.distrust.is_none();
        // Until every pool was read, nobody is in none.
        silent || !setup.complete || node.uid.is_empty()
    }

    fn ask(&mut self, askable: Option<PoolName>) {
        self.stirred |= self.askable != askable;
        self.askable = askable;
    }

    /// A node is asked about while it is Ready, has an identity, nobody paused it or its pool, and its
    /// record can be read.
    fn askable(&self, node: &Node, facts: &Facts, setup: &Setup) -> Option<PoolName> {
        let membership = facts.pool.as_ref()?;
        let pool = &setup.pool(&membership.pool)?.pool;
        let provider = setup.services.get(&pool.service)?.provider.is_ok();
        let ready = node.readiness == Readiness::Ready && facts.identity.is_ok();
        let paused = pool.paused || self.kept.orders.paused || self.kept.foreign;
        (ready && provider && !paused).then(|| pool.name.clone())
    }
}

/// The last time that the record of a Node tells of it: one that was gone when this process began has
/// been so since then, or longer. Else every restart would begin its day anew.
fn last_sign(entry: &Entry) -> Option<Timestamp> {
    let record = &entry.trust.as_ref()?.record;
    let times = [
        record.asked_at(),
        record.incarnation_seen_at,
        record.expires_at,
    ];
    times.into_iter().flatten().max()
}

/// Says whether a NodeTrust holds nothing that must outlive its Node: no order, no hold, and no
/// evidence against it.
fn is_unremarkable(kept: &Kept) -> bool {
    let orders = &kept.orders;
    let ordered = orders.host.is_some()
        || orders.distrust.is_some()
        || orders.accept.is_some()
        || orders.paused;
    let evident = kept.record.hold.is_some() || kept.record.verdict == Verdict::Untrusted;
    !ordered && !evident && !kept.foreign && !kept.version.is_empty()
}
