//! What a record is worth at this moment, reduced to what the gates compare.

use std::time::Duration;

use jiff::Timestamp;

use super::time::LEAD;
use super::{Node, Now, Orders, PoolName, Reason, Record, Refusal, Verdict};

/// A node as the gates see it: worked out once when something changes, compared per request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
    /// The pool that the node is in.
    pub pool: Option<PoolName>,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Refused, whatever the time.
    Refused(Refusal),
    /// Trusted from `from` on, before `until`, and while uptime is below `deadline`.
    Trusted {
        from: Timestamp,
        until: Timestamp,
        deadline: Duration,
    },
}

impl Standing {
    /// A node of which one watch knows nothing.
    #[must_use]
    pub const fn missing() -> Self {
        Self {
            pool: None,
            state: State::Refused(Refusal::NeverAttested),
        }
    }

    /// What `record` and `orders` are worth for the live `node`, when this attestation was first
    /// seen here at `seen`.
    #[must_use]
    pub fn of(node: &Node, record: &Record, orders: &Orders, seen: Now) -> Self {
        let state = match refusal(node, record, orders) {
            Some(refusal) => State::Refused(refusal),
            None => counted(record, seen),
        };
        Self {
            pool: record.pool.clone(),
            state,
        }
    }

    /// Says why the node is not trusted at `now`, if it is not.
    ///
    /// # Errors
    ///
    /// The refusal.
    pub fn check(&self, now: Now) -> Result<(), Refusal> {
        match self.state {
            State::Refused(refusal) => Err(refusal),
            State::Trusted {
                from,
                until,
                deadline,
            } => {
                let counts = from <= now.wall && now.wall < until && now.uptime < deadline;
                if counts {
                    Ok(())
                } else {
                    Err(Refusal::Expired)
                }
            }
        }
    }
}

/// What speaks against the node whatever the time.
fn refusal(node: &Node, record: &Record, orders: &Orders) -> Option<Refusal> {
    if orders.distrust.is_some() {
        return Some(Refusal::Distrusted);
    }
    match record.verdict {
        Verdict::Trusted if record.hold.is_some() => Some(Refusal::Changed),
        Verdict::Trusted => {
            let same = record
                .incarnation
                .as_ref()
                .is_some_and(|incarnation| node.is(incarnation));
            (!same).then_some(Refusal::Changed)
        }
        Verdict::Unknown | Verdict::Untrusted => Some(Refusal::from(record.reason)),
    }
}

/// The span in which a trusted record counts. Its length is counted from first sight too, so that
/// neither a clock set back here nor a clock ahead elsewhere makes it longer.
fn counted(record: &Record, seen: Now) -> State {
    let (Some(requested), Some(until)) = (record.requested_at, record.expires_at) else {
        return State::Refused(Refusal::NeverAttested);
    };
    let left = until
        .duration_since(seen.wall)
        .min(until.duration_since(requested));
    let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
    State::Trusted {
        from: requested.saturating_sub(LEAD).unwrap_or(Timestamp::MAX),
        until,
        deadline: seen.uptime.saturating_add(left),
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Attested | Reason::Expired | Reason::HostSilent | Reason::NotReady => {
                Self::Expired
            }
            Reason::Distrusted => Self::Distrusted,
            Reason::FailedAttestation => Self::Failed,
            Reason::HostChanged
            | Reason::IdentityConflict
            | Reason::NoBootID
            | Reason::Rebooted
            | Reason::Recreated => Self::Changed,
            Reason::HostConflict | Reason::InvalidHost | Reason::NeverAttested => {
                Self::NeverAttested
            }
            Reason::NotInPool => Self::NotInPool,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Incarnation;
    use crate::domain::fixtures::{at, node};
    use crate::domain::record::Hold;

    fn now(wall: i64, uptime: u64) -> Now {
        Now {
            uptime: Duration::from_secs(uptime),
            wall: at(wall),
        }
    }

    /// Trusted from a question at 0 for 100 seconds.
    fn record() -> Record {
        Record {
            pool: Some("p".into()),
            verdict: Verdict::Trusted,
            reason: Reason::Attested,
            incarnation: Some(Incarnation {
                url: "https://oat".to_owned(),
                host: "a".to_owned(),
                uid: "u".to_owned(),
                boot_id: "b".to_owned(),
                machine_id: "m".to_owned(),
                system_uuid: "s".to_owned(),
            }),
            requested_at: Some(at(0)),
            expires_at: Some(at(100)),
            ..Record::default()
        }
    }

    fn standing(record: &Record, seen: Now) -> Standing {
        Standing::of(&node(), record, &Orders::default(), seen)
    }

    #[test]
    fn invariant_2_a_verdict_counts_from_thirty_seconds_before_its_question_until_it_expires() {
        let standing = standing(&record(), now(1, 1));
        let table = [
            (now(-31, 1), Err(Refusal::Expired)),
            (now(-30, 1), Ok(())),
            (now(99, 99), Ok(())),
            (now(100, 99), Err(Refusal::Expired)),
        ];
        for (now, expected) in table {
            assert_eq!(standing.check(now), expected, "{now:?}");
        }
    }

    #[test]
    fn a_clock_set_back_lengthens_nothing() {
        let standing = standing(&record(), now(10, 1_000));

        assert_eq!(standing.check(now(10, 1_089)), Ok(()));
        assert_eq!(standing.check(now(10, 1_090)), Err(Refusal::Expired));
    }

    #[test]
    fn a_clock_behind_at_first_sight_does_not_lengthen_the_validity() {
        let standing = standing(&record(), now(-20, 1_000));

        assert_eq!(standing.check(now(20, 1_099)), Ok(()));
        assert_eq!(standing.check(now(20, 1_100)), Err(Refusal::Expired));
    }

    #[test]
    fn any_other_incarnation_an_order_or_a_hold_refuses() {
        let seen = now(1, 1);
        let changed = |change: fn(&mut Node)| {
            let mut node = node();
            change(&mut node);
            Standing::of(&node, &record(), &Orders::default(), seen).check(seen)
        };
        assert_eq!(changed(|node| node.uid.push('2')), Err(Refusal::Changed));
        assert_eq!(
            changed(|node| node.boot_id.push('2')),
            Err(Refusal::Changed)
        );
        assert_eq!(
            changed(|node| node.machine_id.push('2')),
            Err(Refusal::Changed)
        );
        assert_eq!(
            changed(|node| node.system_uuid.push('2')),
            Err(Refusal::Changed)
        );
        assert_eq!(changed(|_| {}), Ok(()));

        let orders = Orders {
            distrust: Some("stolen".to_owned()),
            ..Orders::default()
        };
        let distrusted = Standing::of(&node(), &record(), &orders, seen);
        assert_eq!(distrusted.check(seen), Err(Refusal::Distrusted));

        let hold = Hold {
            reason: Reason::IdentityConflict,
            since: at(0),
        };
        let held = Record {
            hold: Some(hold),
            ..record()
        };
        assert_eq!(standing(&held, seen).check(seen), Err(Refusal::Changed));
    }

    #[test]
    fn an_empty_boot_id_never_matches() {
        let mut node = node();
        node.boot_id.clear();
        let mut record = record();
        record.incarnation.as_mut().unwrap().boot_id.clear();

        let standing = Standing::of(&node, &record, &Orders::default(), now(1, 1));

        assert_eq!(standing.check(now(1, 1)), Err(Refusal::Changed));
    }

    #[test]
    fn a_trusted_record_without_its_times_refuses() {
        let record = Record {
            expires_at: None,
            ..record()
        };

        assert_eq!(
            standing(&record, now(1, 1)).check(now(1, 1)),
            Err(Refusal::NeverAttested)
        );
    }
}
