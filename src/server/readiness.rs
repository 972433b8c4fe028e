//! What must hold for the process, or one of its ports, to be of use.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::Now;

/// How often it is looked whether a port may be opened.
const LOOK: Duration = Duration::from_millis(50);

/// Something that must hold; else a sentence that says what is missing.
pub type Condition = Box<dyn Fn(Now) -> Result<(), String> + Send + Sync>;

/// Everything that must hold.
pub struct Readiness {
    clock: Clock,
    conditions: Vec<(For, Condition)>,
}

/// What a condition is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum For {
    /// Every port, before it is opened.
    All,
    /// The process alone, once its ports are open.
    Process,
    /// The port of this name, before it is opened.
    Port(&'static str),
}

impl Readiness {
    /// Nothing need hold yet.
    #[must_use]
    pub const fn new(clock: Clock) -> Self {
        Self {
            clock,
            conditions: Vec::new(),
        }
    }

    /// Adds a condition, which must not wait.
    pub fn require(
        &mut self,
        what: For,
        condition: impl Fn(Now) -> Result<(), String> + Send + Sync + 'static,
    ) {
        self.conditions.push((what, Box::new(condition)));
    }

    /// Says whether everything holds.
    ///
    /// # Errors
    ///
    /// It does not: what is missing first.
    pub fn check(&self) -> Result<(), String> {
        self.check_those(|_| true)
    }

    /// Says whether everything holds that must before `port` is opened.
    ///
    /// # Errors
    ///
    /// It does not: what is missing first.
    pub fn check_port(&self, port: &'static str) -> Result<(), String> {
        self.check_those(|what| matches!(what, For::All) || what == For::Port(port))
    }

    fn check_those(&self, matters: impl Fn(For) -> bool) -> Result<(), String> {
        let now = self.clock.now();
        let mut those = self.conditions.iter().filter(|(what, _)| matters(*what));
        those.try_for_each(|(_, holds)| holds(now))
    }

    /// Cancels `opening` when everything holds that must before `port` is opened, for the first time: what is lost
    /// later is answered for, with an error that says so. Then never ends.
    pub async fn open(self: Arc<Self>, port: &'static str, opening: CancellationToken) {
        while self.check_port(port).is_err() {
            sleep(LOOK).await;
        }
        opening.cancel();
        std::future::pending::<()>().await;
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("clock", &self.clock)
            .field("conditions", &self.conditions.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A readiness with one condition of each kind, and what makes them hold.
    fn readiness() -> (Arc<Readiness>, [CancellationToken; 3]) {
        let mut readiness = Readiness::new(Clock::system());
        let kinds = [
            (For::All, "watches"),
            (For::Port("bind"), "certificate"),
            (For::Process, "ports"),
        ];
        let switches = kinds.map(|(what, missing)| {
            let switch = CancellationToken::new();
            let holds = switch.clone();
            readiness.require(what, move |_| match holds.is_cancelled() {
                true => Ok(()),
                false => Err(missing.to_owned()),
            });
            switch
        });
        (Arc::new(readiness), switches)
    }

    #[test]
    fn a_port_waits_for_no_others_certificate() {
        let (readiness, [watches, certificate, ports]) = readiness();
        assert_eq!(readiness.check_port("extender"), Err("watches".to_owned()));

        watches.cancel();
        assert_eq!(readiness.check_port("extender"), Ok(()));
        assert_eq!(readiness.check_port("bind"), Err("certificate".to_owned()));
        assert_eq!(readiness.check(), Err("certificate".to_owned()));

        certificate.cancel();
        assert_eq!(readiness.check_port("bind"), Ok(()));
        assert_eq!(readiness.check(), Err("ports".to_owned()));

        ports.cancel();
        assert_eq!(readiness.check(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_is_opened_when_all_it_needs_is_there_and_not_before() {
        let (readiness, [watches, certificate, _]) = readiness();
        let opening = CancellationToken::new();
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(readiness.open("bind", opening.clone()));
        watches.cancel();
        sleep(10 * LOOK).await;
        assert!(!opening.is_cancelled());

        certificate.cancel();
        sleep(2 * LOOK).await;

        assert!(opening.is_cancelled());
    }
}
