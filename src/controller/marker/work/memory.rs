//! What is remembered of one Node between two looks, and what a look finds. No I/O.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{Now, Reason, Record, Verdict, backoff, mark};
use crate::store::{Entry, Kept, Tracked, is_later};

use super::queues::Turn;
use super::rules::{Counted, Rules, is_paused, may_show, pool};
use super::{Job, Mark};

/// How much later than labels and taint the condition is written. By then every replica has seen the
/// record, and the condition's change wakes the pods that one of them refused too soon.
const LATER: Duration = Duration::from_secs(1);

/// What is remembered of a Node.
#[derive(Debug, Default)]
pub struct Memory {
    /// As what the node was counted.
    pub counted: Option<Counted>,
    /// What is to be written.
    pub job: Option<(Turn, Job)>,
    /// In which queue the node waits.
    pub queued: Option<Turn>,
    /// When (uptime) to look again though nothing changed.
    pub again: Option<Duration>,
    /// A write is under way.
    pub busy: bool,
    /// The last write, if it failed.
    failed: Option<Failed>,
    /// The version that our last write made; older ones are not looked at.
    version: String,
    /// The condition that is wanted, and since when (uptime).
    wanted: Option<((&'static str, Reason), Duration)>,
    /// Until when the attestation counted that was seen last.
    counted_until: Option<Timestamp>,
    /// The attestation lapsed and came back: the condition must change, whatever it says.
    lapsed: bool,
}

/// A write that failed. Another one, such as the loss of what could not be gained, does not wait for it.
#[derive(Debug)]
struct Failed {
    mark: Mark,
    /// How often in a row.
    times: u32,
    /// Not again before this uptime.
    until: Duration,
}

impl Memory {
    /// Works out what is to be written, and when to look again.
    pub fn look(&mut self, entry: &Entry, node: &Arc<Tracked>, rules: &Rules, now: Now) {
        self.job = None;
        self.again = None;
        let nothing = Kept::default();
        let kept = entry.trust.as_deref().unwrap_or(&nothing);
        self.note_lapse(&kept.record, now);
        let stale = is_later(&self.version, &node.version);
        let pool = pool(&rules.setup, &kept.record, node);
        let shown = may_show(kept, node, now.wall);
        if self.busy || stale || !shown || is_paused(&rules.setup, kept, pool) {
            return;
        }
        let change = rules.change(&kept.record, pool, node);
        if !change.is_empty() {
            let turn = if change.is_loss() {
                Turn::Loss
            } else {
                Turn::Gain
            };
            self.want(turn, job(node, Mark::Labels(change)), now);
        } else if let Some((condition, due)) = self.condition(&kept.record, node, now) {
            if due <= now.uptime {
                self.want(Turn::Condition, job(node, condition), now);
            } else {
                self.again = Some(due);
            }
        }
    }

    /// Has `job` written, unless the same failed a moment ago.
    fn want(&mut self, turn: Turn, job: Job, now: Now) {
        let failed = self.failed.as_ref().filter(|it| it.mark == job.mark);
        match failed.map(|failed| failed.until) {
            Some(until) if until > now.uptime => self.again = Some(until),
            _ => self.job = Some((turn, job)),
        }
    }

    /// The queue that the node is to be put into, if it is not there already.
    pub fn queue(&mut self) -> Option<Turn> {
        let turn = self.job.as_ref().map(|(turn, _)| *turn)?;
        (self.queued.replace(turn) != Some(turn)).then_some(turn)
    }

    /// Takes note of a write that was over at `uptime`.
    pub fn finish(&mut self, mark: &Mark, version: Option<String>, uptime: Duration) {
        self.busy = false;
        let Some(version) = version else {
            self.fail(mark, uptime);
            return;
        };
        self.failed = None;
        self.version = version;
        self.lapsed &= !matches!(mark, Mark::Condition("True", _));
    }

    fn fail(&mut self, mark: &Mark, uptime: Duration) {
        let before = self.failed.take().filter(|it| it.mark == *mark);
        let times = before.map_or(1, |it| it.times.saturating_add(1));
        let rest = backoff::service(times).unsigned_abs();
        self.failed = Some(Failed {
            mark: mark.clone(),
            times,
            until: uptime.saturating_add(rest),
        });
    }

    /// Notes a gain after a time in which the gates refused by the clock alone.
    fn note_lapse(&mut self, record: &Record, now: Now) {
        let until = record
            .expires_at
            .filter(|_| record.verdict == Verdict::Trusted);
        if let (Some(old), Some(new)) = (self.counted_until, until) {
            self.lapsed |= new > old && old <= now.wall;
        }
        self.lapsed |= record.reason == Reason::Expired;
        self.counted_until = until.or(self.counted_until);
    }

    /// The condition that is to be written, and when (uptime), if any is.
    fn condition(&mut self, record: &Record, node: &Tracked, now: Now) -> Option<(Mark, Duration)> {
        let carried = &node.node.carried;
        let wanted = mark::condition(record, carried)?;
        let has = carried
            .condition
            .as_ref()
            .map(|(status, reason)| (status.as_str(), reason.as_str()));
        if has == Some((wanted.0, wanted.1.as_str())) {
            let flip = self.lapsed && wanted.0 == "True";
            self.wanted = None;
            // Pods that were refused in the lapse wait for a change of the Node.
            return flip.then_some((Mark::Condition("Unknown", Reason::Expired), now.uptime));
        }
        let since = match self.wanted {
            Some((known, since)) if known == wanted => since,
            _ => now.uptime,
        };
        self.wanted = Some((wanted, since));
        Some((
            Mark::Condition(wanted.0, wanted.1),
            since.saturating_add(LATER),
        ))
    }
}

fn job(node: &Arc<Tracked>, mark: Mark) -> Job {
    Job {
        name: node.node.name.clone(),
        node: Arc::clone(node),
        mark,
    }
}
