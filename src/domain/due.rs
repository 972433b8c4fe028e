//! When a node must be asked about next, and why.

use jiff::{SignedDuration, Timestamp};

use super::agenda::Memory;
use super::time::{after, has_been};
use super::{NodeName, Orders, Outcome, Pool, Record, Verdict, backoff};

/// Why a node is asked about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Due {
    /// An administrator asked for it.
    ByHand,
    /// It is another incarnation than the one last asked about.
    Changed,
    /// Its last question is one interval old.
    Expiring,
    /// Its request failed, and its wait is over.
    Failed,
    /// Its attestation ends before it would be due: it was given under another interval or validity.
    Lapsing,
    /// It was never asked about.
    New,
    /// The service answered that it is still at work.
    Pending,
    /// It became Ready after the last question.
    ReadyAgain,
    /// Another node of its pool is due, and it would be soon.
    Soon,
}

impl Due {
    /// Says whether waiting costs more than a round's turn.
    #[must_use]
    pub const fn is_urgent(self) -> bool {
        matches!(
            self,
            Self::ByHand | Self::Changed | Self::New | Self::ReadyAgain
        )
    }

    /// Says whether the node may come along with others before it is due.
    #[must_use]
    pub const fn may_be_early(self) -> bool {
        matches!(self, Self::Expiring | Self::Lapsing)
    }

    /// Says whether others that are due soon come along. A failing host brings nobody.
    #[must_use]
    pub const fn brings_along(self) -> bool {
        self.is_urgent() || matches!(self, Self::Pending)
    }
}

/// A node that may be asked about, as planning sees it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The node.
    pub name: &'a NodeName,
    /// What is known of it.
    pub record: &'a Record,
    /// What administrators say of it.
    pub orders: &'a Orders,
}

impl Subject<'_> {
    /// Says whether the end of this node's attestation pulls the whole pool: only one that has
    /// trust to lose, so that no kubelet of an untrusted node pulls.
    #[must_use]
    pub fn pulls(&self) -> bool {
        self.record.verdict == Verdict::Trusted
    }

    /// How long after its question an attestation is to be renewed at the latest: two thirds of its
    /// life, which leaves time for another try. Longer than the interval unless the pool changed.
    fn renewal(&self) -> Option<SignedDuration> {
        let record = self.record;
        let life = record.expires_at?.duration_since(record.requested_at?);
        let third = life.checked_div(3).unwrap_or_default();
        (record.verdict == Verdict::Trusted).then(|| third.saturating_mul(2))
    }

    /// Says whether the node may be asked about before it is due.
    #[must_use]
    pub fn may_be_asked(&self, memory: &Memory, pool: &Pool, now: Timestamp) -> bool {
        !memory.is_suspect() && self.earliest(memory, pool, now) <= now
    }

    /// When the node was last asked about, whoever remembers; a time that has not come yet is no
    /// memory.
    fn asked_at(&self, memory: &Memory, now: Timestamp) -> Option<Timestamp> {
        let asked = [memory.asked_at(), self.record.asked_at()];
        let asked = asked.into_iter().flatten();
        asked.filter(|at| has_been(*at, now)).max()
    }

    /// No question before this time: not within `minInterval` of the last, whatever a kubelet does,
    /// and not before the incarnation was seen.
    fn earliest(&self, memory: &Memory, pool: &Pool, now: Timestamp) -> Timestamp {
        let seen = self.record.incarnation_seen_at;
        let seen = seen.filter(|at| has_been(*at, now));
        let seen = seen.unwrap_or(Timestamp::MIN);
        let asked = self
            .asked_at(memory, now)
            .map(|asked| after(asked, pool.min_interval));
        asked.map_or(seen, |asked| asked.max(seen))
    }
}

/// When `subject` is due, and why, as far as `now` tells: planning looks again within a minute.
#[must_use]
pub fn due(
    subject: &Subject<'_>,
    memory: &Memory,
    pool: &Pool,
    now: Timestamp,
) -> (Timestamp, Due) {
    let earliest = subject.earliest(memory, pool, now);
    let Some(asked) = subject.asked_at(memory, now) else {
        return (earliest, Due::New);
    };
    let since = |at: Option<Timestamp>| at.filter(|at| *at > asked && has_been(*at, now));
    if let Some(by_hand) = since(subject.orders.attest) {
        return (earliest.max(by_hand), Due::ByHand);
    }
    if memory.is_suspect() {
        return (
            earliest.max(after(asked, backoff::host(memory.failures()))),
            Due::Failed,
        );
    }
    // Who is trusted was asked about as what it is now; but times in a record are whole seconds, and
    // a question in the second in which a node was first seen would look older than the node.
    let answered = subject.record.verdict == Verdict::Trusted;
    if !answered && since(subject.record.incarnation_seen_at).is_some() {
        return (earliest, Due::Changed);
    }
    if let Some(ready) = since(subject.record.ready_since) {
        return (earliest.max(ready), Due::ReadyAgain);
    }
    if memory.outcome() == Some(Outcome::HostPending) {
        return (earliest, Due::Pending);
    }
    let interval = pool.interval.max(SignedDuration::from_secs(1));
    match subject.renewal().filter(|renewal| *renewal < interval) {
        Some(renewal) => (earliest.max(after(asked, renewal)), Due::Lapsing),
        None => (earliest.max(after(asked, interval)), Due::Expiring),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::agenda::{Agenda, Blame};
    use crate::domain::fixtures::{at, pool};
    use crate::domain::plan::tests::{new_record, trusted_record};
    use crate::domain::plan::{Batch, Item, Lane};

    /// Of what is known of the node `a`, at second 8.
    fn due_of(record: &Record) -> (Timestamp, Due) {
        due_with(record, None, &Memory::default(), &pool(), 8)
    }

    /// The same at `second`, with an order to ask given in second `attest`.
    fn due_with(
        record: &Record,
        attest: Option<i64>,
        memory: &Memory,
        pool: &Pool,
        second: i64,
    ) -> (Timestamp, Due) {
        let subject = Subject {
            name: &"a".into(),
            record,
            orders: &Orders {
                attest: attest.map(at),
                ..Orders::default()
            },
        };
        due(&subject, memory, pool, at(second))
    }

    #[test]
    fn times_that_a_clock_wrote_which_was_far_ahead_put_no_question_off() {
        let hour = 3_600;
        let ahead = Record {
            incarnation_seen_at: Some(at(hour)),
            ready_since: Some(at(hour)),
            ..trusted_record(hour)
        };
        let just_ahead = trusted_record(8 + 30);

        assert_eq!(due_of(&ahead), (Timestamp::MIN, Due::New));
        assert_eq!(due_of(&just_ahead), (at(38 + 300), Due::Expiring));
    }

    #[test]
    fn a_question_ordered_for_later_puts_none_off() {
        let (record, memory) = (trusted_record(0), Memory::default());
        let due_at = |attest, now| due_with(&record, Some(attest), &memory, &pool(), now);

        assert_eq!(due_at(900, 8), (at(300), Due::Expiring));
        assert_eq!(due_at(100, 100), (at(100), Due::ByHand));
    }

    #[test]
    fn who_failed_alone_is_asked_about_by_hand_before_its_wait_is_over() {
        let record = trusted_record(0);
        let mut agenda = Agenda::default();
        let item = Item {
            name: "a".into(),
            pool: pool().name,
            due: Due::New,
        };
        let batch = Batch {
            service: pool().service,
            items: vec![item],
            lane: Lane::Fast,
            halvings: 0,
        };
        agenda.begin(&batch, false, at(0));
        agenda.failed(&batch, Blame::Hosts, at(5));
        let memory = agenda.memory(&"a".into());
        let due_at = |attest| due_with(&record, attest, memory, &pool(), 40);

        assert_eq!(due_at(None), (at(60), Due::Failed));
        assert_eq!(due_at(Some(0)), (at(60), Due::Failed), "asked since");
        assert_eq!(due_at(Some(10)), (at(30), Due::ByHand));
    }

    /// The pool's interval was 10 s, or the node was in another pool, when it was attested.
    #[test]
    fn an_attestation_that_ends_before_the_next_round_is_renewed_before_it_ends() {
        let short = Record {
            expires_at: Some(at(21)),
            ..trusted_record(0)
        };
        let usual = Record {
            expires_at: Some(at(1_800)),
            ..trusted_record(0)
        };
        let over = Record {
            verdict: Verdict::Unknown,
            ..short.clone()
        };
        let mut tight = pool();
        tight.min_interval = SignedDuration::from_secs(1);
        let due_of = |record| due_with(record, None, &Memory::default(), &tight, 8);

        assert_eq!(due_of(&short), (at(14), Due::Lapsing));
        assert_eq!(due_of(&usual), (at(300), Due::Expiring));
        assert_eq!(due_of(&over), (at(300), Due::Expiring));
    }

    #[test]
    fn an_answer_in_the_second_in_which_a_node_was_first_seen_is_enough() {
        // Seen and asked about between 7 and 8.
        let trusted = Record {
            incarnation_seen_at: Some(at(8)),
            ..trusted_record(7)
        };
        let rebooted = Record {
            verdict: Verdict::Unknown,
            ..trusted.clone()
        };

        assert_eq!(due_of(&new_record(8)), (at(8), Due::New));
        assert_eq!(due_of(&trusted), (at(7 + 300), Due::Expiring));
        assert_eq!(due_of(&rebooted), (at(7 + 30), Due::Changed));
    }
}
