//! How long pods waited for their node, as the API server's audit log has it: nobody has to look while it happens.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use trustpool_harness::AuditEvent;

use super::Kind;

/// When a pod was made, and when it was bound.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    pub made: Timestamp,
    /// Not at all, as far as is known.
    pub bound: Option<Timestamp>,
}

/// Every pod of a kind, in no order.
pub fn waits(events: &[AuditEvent], kind: &Kind) -> Vec<Wait> {
    let mut waits = BTreeMap::new();
    let good = |event: &&AuditEvent| {
        let of = &event.object_ref;
        let taken = event.verb == "create" && event.response_status.code < 300;
        taken && event.is_write() && kind.is_of(&of.namespace, &of.name)
    };
    let those = || events.iter().filter(good);
    for event in those().filter(|event| event.is_for("pods", "")) {
        let made = event.request_received_timestamp;
        let wait = Wait { made, bound: None };
        waits.insert(event.object_ref.name.as_str(), wait);
    }
    for event in those().filter(|event| event.is_for("pods", "binding")) {
        if let Some(wait) = waits.get_mut(event.object_ref.name.as_str()) {
            wait.bound.get_or_insert(event.stage_timestamp);
        }
    }
    waits.into_values().collect()
}

/// How long pods waited, shortest first.
#[derive(Debug)]
pub struct Delays(Vec<Duration>);

impl Delays {
    /// Of those that were made from then until then, and were bound.
    pub fn of(waits: &[Wait], (from, until): (Timestamp, Timestamp)) -> Self {
        let made = waits
            .iter()
            .filter(|wait| (from..until).contains(&wait.made));
        let took = made.filter_map(|wait| {
            let took = wait.bound?.duration_since(wait.made);
            Some(took.unsigned_abs())
        });
        let mut delays: Vec<Duration> = took.collect();
        delays.sort_unstable();
        Self(delays)
    }

    /// What so many hundredths did not exceed.
    pub fn quantile(&self, hundredths: usize) -> Duration {
        let rank = (self.0.len() * hundredths).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// What none exceeded.
    pub fn longest(&self) -> Duration {
        self.quantile(100)
    }

    /// How many took longer.
    pub fn over(&self, limit: Duration) -> usize {
        self.0.iter().filter(|&&took| took > limit).count()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, most, longest] = [50, 99, 100].map(|it| self.quantile(it).as_secs_f64());
        let count = self.count();
        write!(
            f,
            "{count} pods: median {median:.3} s, p99 {most:.3} s, longest {longest:.3} s"
        )
    }
}

#[test]
fn delays_are_told_by_rank() {
    let at = |millis| Timestamp::from_millisecond(millis).unwrap();
    let wait = |made, bound| Wait {
        made: at(made),
        bound: Some(at(bound)),
    };
    let mut waits: Vec<Wait> = (0..100).map(|it| wait(it, it + 10 * (it + 1))).collect();
    waits.push(wait(5_000, 99_000));
    waits.push(Wait {
        made: at(1),
        bound: None,
    });

    let delays = Delays::of(&waits, (at(0), at(5_000)));

    assert_eq!(delays.count(), 100);
    let of = Duration::from_millis;
    assert_eq!(delays.quantile(99), of(990));
    assert_eq!((delays.longest(), delays.over(of(980))), (of(1_000), 2));
}
