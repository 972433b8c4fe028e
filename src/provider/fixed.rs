//! A provider that answers from a table, fails or hangs as it is told: for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::clock::Clock;
use crate::domain::Outcome;
use crate::provider::{Answer, Deadline, Error, InvalidHost, Problem, Provider, Question, Reply};

/// How a question fails.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// There is no connection.
    Connect,
    /// The total deadline has passed, at once.
    Deadline,
    /// Nothing comes, ever.
    Hang,
    /// The service answers with this status.
    Status(u16),
    /// The reply is empty.
    Unreadable,
}

/// A question as it was asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Asked {
    /// About whom.
    pub hosts: Vec<String>,
    /// After how many halvings.
    pub halvings: u32,
}

/// Answers from a table; a host that is not in it is missing from the reply.
#[derive(Debug)]
pub struct Fixed {
    clock: Clock,
    state: Mutex<State>,
}

/// What the table says at this moment.
#[derive(Debug, Default)]
struct State {
    outcomes: BTreeMap<String, Outcome>,
    culprits: BTreeMap<String, Fault>,
    down: Option<Fault>,
    asked: Vec<Asked>,
}

impl Fixed {
    /// A provider with this table, whose evidence is as old as its answer.
    #[must_use]
    pub fn new(clock: Clock, table: &[(&str, Outcome)]) -> Self {
        let outcomes = table
            .iter()
            .map(|&(host, outcome)| (host.to_owned(), outcome))
            .collect();
        Self {
            clock,
            state: Mutex::new(State {
                outcomes,
                ..State::default()
            }),
        }
    }

    /// Answers `outcome` for `host` from now on.
    pub fn set(&self, host: &str, outcome: Outcome) {
        self.state().outcomes.insert(host.to_owned(), outcome);
    }

    /// Fails every question about `host` from now on, or none because of it.
    pub fn culprit(&self, host: &str, fault: Option<Fault>) {
        let mut state = self.state();
        match fault {
            Some(fault) => state.culprits.insert(host.to_owned(), fault),
            None => state.culprits.remove(host),
        };
    }

    /// Fails every question from now on, or none but culprits'.
    pub fn down(&self, fault: Option<Fault>) {
        self.state().down = fault;
    }

    /// Hands over the questions asked since the last call, oldest first.
    #[must_use]
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the question and says how it fails, if it does.
    fn ask(&self, question: Question<'_>) -> Option<Fault> {
        let mut state = self.state();
        state.asked.push(Asked {
            hosts: question.hosts.to_vec(),
            halvings: question.halvings,
        });
        let culprit = || {
            let mut hosts = question.hosts.iter();
            hosts.find_map(|host| state.culprits.get(host).copied())
        };
        state.down.or_else(culprit)
    }

    fn reply(&self, question: Question<'_>) -> Reply {
        let now = self.clock.wall();
        let state = self.state();
        let answer = |host: &String| {
            let outcome = state.outcomes.get(host).copied();
            let outcome = outcome.unwrap_or(Outcome::Missing);
            Answer {
                outcome,
                evidence_at: outcome.is_verdict().then_some(now),
            }
        };
        Reply {
            answers: question.hosts.iter().map(answer).collect(),
            unasked: 0,
            requested_at: now,
            answered_at: now,
        }
    }
}

impl Provider for Fixed {
    fn accepts(&self, host: &str) -> Result<(), InvalidHost> {
        if host.is_empty() {
            return Err(InvalidHost::Empty);
        }
        Ok(())
    }

    fn attest<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, Error>> {
        async move {
            match self.ask(question) {
                None => Ok(self.reply(question)),
                Some(fault) => Err(fail(fault).await),
            }
        }
        .boxed()
    }
}

/// The error that a fault comes to, unless it never does.
async fn fail(fault: Fault) -> Error {
    let url = "https://fixed".to_owned();
    match fault {
        Fault::Connect => Error::Connect {
            url,
            source: "connection refused".into(),
        },
        Fault::Deadline => Error::Deadline {
            url,
            deadline: Deadline::Total,
            limit: Duration::ZERO,
        },
        Fault::Hang => std::future::pending().await,
        Fault::Status(status) => Error::Status { url, status },
        Fault::Unreadable => Error::Unreadable {
            url,
            source: Problem::Empty,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Then;

    fn ask<'a>(
        provider: &'a Fixed,
        hosts: &'a [String],
    ) -> Option<Result<Vec<Outcome>, (Outcome, Then)>> {
        let question = Question { hosts, halvings: 1 };
        let reply = provider.attest(question).now_or_never()?;
        Some(match reply {
            Ok(reply) => Ok(reply.answers.iter().map(|answer| answer.outcome).collect()),
            Err(error) => Err((error.outcome(), error.then())),
        })
    }

    #[tokio::test]
    async fn it_answers_from_its_table_and_fails_or_hangs_as_told() {
        let provider = Fixed::new(Clock::system(), &[("a", Outcome::Trusted)]);
        let hosts = ["a".to_owned(), "b".to_owned()];
        let answered = Some(Ok(vec![Outcome::Trusted, Outcome::Missing]));

        assert_eq!(ask(&provider, &hosts), answered);
        provider.culprit("b", Some(Fault::Status(500)));
        let refused = Some(Err((Outcome::Refused, Then::Split)));
        assert_eq!(ask(&provider, &hosts), refused);
        assert_eq!(
            ask(&provider, &hosts[..1]),
            Some(Ok(vec![Outcome::Trusted]))
        );
        provider.down(Some(Fault::Hang));
        assert_eq!(ask(&provider, &hosts), None);
        provider.down(None);
        provider.culprit("b", None);
        assert_eq!(ask(&provider, &hosts), answered);

        let about = |hosts: &[String]| Asked {
            hosts: hosts.to_vec(),
            halvings: 1,
        };
        assert_eq!(
            provider.take_asked(),
            [2, 2, 1, 2, 2].map(|count| about(&hosts[..count]))
        );
    }
}
