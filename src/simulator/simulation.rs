//! What both ports share: the service asks it, the admin port changes it.

use std::str::FromStr;
use std::time::Duration;

use axum::http::HeaderMap;
use thiserror::Error;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::simulator::auth::Auth;
use crate::simulator::dialect::Speech;
use crate::simulator::fault::Fault;
use crate::simulator::hosts::{HostName, Hosts, Rule, TooMany};
use crate::simulator::journal::Journal;

/// How much longer, or shorter, every delay takes than it says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeScale(f64);

/// A factor that time cannot be played at.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is no factor between 0 and 1000")]
pub struct BadScale(String);

impl TimeScale {
    /// A delay as it is played.
    #[must_use]
    pub fn of(self, delay: Duration) -> Duration {
        let scaled = Duration::try_from_secs_f64(delay.as_secs_f64() * self.0);
        scaled.unwrap_or(Duration::MAX)
    }
}

impl Default for TimeScale {
    fn default() -> Self {
        Self(1.0)
    }
}

impl FromStr for TimeScale {
    type Err = BadScale;

    fn from_str(text: &str) -> Result<Self, BadScale> {
        let factor = text.parse().ok();
        factor
            .filter(|factor| (0.0..=1000.0).contains(factor))
            .map(Self)
            .ok_or_else(|| BadScale(text.to_owned()))
    }
}

/// The state of the simulation.
pub(super) struct Simulation {
    /// What clients must prove; `None`: nothing.
    pub(super) auth: Option<Auth>,
    /// Whose time is in answers and journal.
    pub(super) clock: Clock,
    /// What was asked.
    pub(super) journal: Journal,
    /// Who reads and words.
    pub(super) speech: &'static dyn Speech,
    /// How fast delays pass.
    pub(super) time_scale: TimeScale,
    /// What goes wrong; written by the admin port.
    fault: watch::Sender<Fault>,
    /// What is played; written by the admin port.
    hosts: watch::Sender<Hosts>,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("fault", &self.fault())
            .finish_non_exhaustive()
    }
}

impl Simulation {
    /// A simulation in which nothing goes wrong yet.
    pub(super) fn new(
        auth: Option<Auth>,
        clock: Clock,
        speech: &'static dyn Speech,
        hosts: Hosts,
        time_scale: TimeScale,
    ) -> Self {
        Self {
            auth,
            clock,
            journal: Journal::default(),
            speech,
            time_scale,
            fault: watch::Sender::default(),
            hosts: watch::Sender::new(hosts),
        }
    }

    /// Says whether a request proves what it must.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        self.auth.as_ref().is_none_or(|auth| auth.admits(headers))
    }

    /// What goes wrong now.
    pub(super) fn fault(&self) -> Fault {
        *self.fault.borrow()
    }

    /// Changes what goes wrong.
    pub(super) fn set_fault(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Waits until the service is down.
    pub(super) async fn goes_down(&self) {
        let mut fault = self.fault.subscribe();
        // The sender is `self`: it cannot be gone.
        drop(fault.wait_for(|fault| *fault == Fault::Down).await);
    }

    /// Looks at what is played.
    pub(super) fn with_hosts<T>(&self, look: impl FnOnce(&Hosts) -> T) -> T {
        look(&self.hosts.borrow())
    }

    /// Changes what is played for one host.
    ///
    /// # Errors
    ///
    /// There are too many.
    pub(super) fn set_host(&self, name: HostName, rule: Rule) -> Result<(), TooMany> {
        let mut set = Ok(());
        self.hosts.send_modify(|hosts| set = hosts.set(name, rule));
        set
    }

    /// Plays a host no more; `false` if it was not played.
    pub(super) fn remove_host(&self, name: &HostName) -> bool {
        self.hosts.send_if_modified(|hosts| hosts.remove(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_scale_is_a_factor_within_reason() {
        let refused = |text: &str| Err(BadScale(text.to_owned()));
        let cases = [
            ("0", Ok(TimeScale(0.0))),
            ("0.01", Ok(TimeScale(0.01))),
            ("1000", Ok(TimeScale(1000.0))),
            ("1000.1", refused("1000.1")),
            ("-1", refused("-1")),
            ("nan", refused("nan")),
            ("fast", refused("fast")),
        ];
        for (given, expected) in cases {
            assert_eq!(given.parse(), expected, "{given}");
        }
    }

    #[test]
    fn a_scale_multiplies_and_never_overflows() {
        let minute = Duration::from_mins(1);

        assert_eq!(TimeScale(0.5).of(minute), Duration::from_secs(30));
        assert_eq!(TimeScale(0.0).of(Duration::MAX), Duration::ZERO);
        assert_eq!(TimeScale(1000.0).of(Duration::MAX), Duration::MAX);
    }
}
