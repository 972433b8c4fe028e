//! One request: what is sent, and what its answer means for each node.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::clock::Clock;
use crate::controller::metrics::{Ended, Metrics, OfError, OfOutcome, OfRequest};
use crate::controller::setup::Setup;
use crate::domain::agenda::{Agenda, Blame};
use crate::domain::plan::{Batch, Lane};
use crate::domain::time::after;
use crate::domain::transition::Answer;
use crate::domain::{Incarnation, NodeName, Outcome, PoolName};
use crate::provider::{Error, Provider, Question, Reply, Then};
use crate::telemetry::Chain;

use super::cases::Cases;

/// A request that is over.
#[derive(Debug)]
pub struct Asked {
    /// What was planned.
    pub batch: Batch,
    /// Who was asked about, in the order of the question.
    about: Vec<(NodeName, PoolName, Incarnation)>,
    /// When it was sent.
    requested_at: Timestamp,
    /// How long it took.
    took: std::time::Duration,
    reply: Result<Reply, Error>,
}

/// How a service does.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServiceHealth {
    /// When it last answered.
    pub last_success: Option<Timestamp>,
    /// How many requests in a row failed.
    pub failures: u32,
    /// What went wrong last, and whether it is over.
    pub last_error: Option<String>,
}

/// For so long a success shows that a request which failed over its hosts tells nothing of the service.
const LATELY: SignedDuration = SignedDuration::from_mins(10);

impl ServiceHealth {
    /// Takes note of a request.
    pub fn note(&mut self, asked: &Asked, now: Timestamp) {
        match &asked.reply {
            Err(error) if self.is_culprits(asked, error, now) => {}
            Ok(_) => {
                *self = Self {
                    last_success: Some(now),
                    failures: 0,
                    last_error: None,
                }
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.last_error = Some(Chain(error).to_string());
            }
        }
    }

    /// Says whether a failure is that of hosts which made requests fail before, while the service
    /// answers about others.
    fn is_culprits(&self, asked: &Asked, error: &Error, now: Timestamp) -> bool {
        let suspects = asked.batch.lane == Lane::Slow && error.then() == Then::Split;
        let answers = self.failures == 0;
        suspects && answers && self.last_success.is_some_and(|at| after(at, LATELY) > now)
    }
}

/// The request of `batch`, about those of its nodes that may still be asked about; nothing if there
/// are none.
pub fn ask(
    batch: &Batch,
    cases: &Cases,
    setup: &Setup,
    clock: &Clock,
) -> Option<BoxFuture<'static, Asked>> {
    let provider = setup.services.get(&batch.service)?.provider.clone().ok()?;
    let about: Vec<_> = batch
        .items
        .iter()
        .filter(|item| {
            setup
                .pool(&item.pool)
                .is_some_and(|it| it.pool.service == batch.service)
        })
        .filter_map(|item| {
            let incarnation = cases.incarnation(&item.name, &item.pool)?;
            Some((item.name.clone(), item.pool.clone(), incarnation.clone()))
        })
        .collect();
    (!about.is_empty()).then(|| -> BoxFuture<'static, Asked> {
        Box::pin(send(batch.clone(), about, provider, clock.clone()))
    })
}

async fn send(
    batch: Batch,
    about: Vec<(NodeName, PoolName, Incarnation)>,
    provider: Arc<dyn Provider>,
    clock: Clock,
) -> Asked {
    let hosts: Vec<String> = about.iter().map(|(.., known)| known.host.clone()).collect();
    let requested_at = clock.wall();
    let started = clock.uptime();
    let reply = provider
        .attest(Question {
            hosts: &hosts,
            halvings: batch.halvings,
        })
        .await;
    let took = clock.uptime().saturating_sub(started);
    Asked {
        batch,
        about,
        requested_at,
        took,
        reply,
    }
}

/// Settles the books, and returns what the request says about which node.
pub fn settle(
    asked: Asked,
    agenda: &mut Agenda,
    now: Timestamp,
) -> Vec<(NodeName, PoolName, Answer)> {
    let Asked {
        batch,
        about,
        requested_at,
        reply,
        ..
    } = asked;
    let answer = |outcome, asked, requested_at, evidence_at| Answer {
        outcome,
        asked,
        requested_at,
        evidence_at,
    };
    match reply {
        Ok(reply) => {
            if reply.unasked > 0 {
                warn!(service = %batch.service, entries = reply.unasked, "the service answered about hosts that were not asked about");
            }
            let outcomes = about.iter().zip(&reply.answers);
            let outcomes: Vec<(NodeName, Outcome)> = outcomes
                .map(|((name, ..), given)| (name.clone(), given.outcome))
                .collect();
            agenda.answered(&batch, &outcomes);
            let requested_at = reply.requested_at;
            about
                .into_iter()
                .zip(reply.answers)
                .map(|((name, pool, asked), given)| {
                    (
                        name,
                        pool,
                        answer(given.outcome, asked, requested_at, given.evidence_at),
                    )
                })
                .collect()
        }
        Err(error) => {
            let blame = match error.then() {
                Then::Retry => Blame::Service,
                Then::Split => Blame::Hosts,
            };
            warn!(service = %batch.service, hosts = about.len(), error = %Chain(&error), "request failed");
            let concerned = agenda.failed(&batch, blame, now);
            let outcome = error.outcome();
            about
                .into_iter()
                .filter(|(name, ..)| concerned.contains(name))
                .map(|(name, pool, asked)| (name, pool, answer(outcome, asked, requested_at, None)))
                .collect()
        }
    }
}

/// Counts a request.
pub fn count(asked: &Asked, metrics: &Metrics) {
    let service = asked.batch.service.to_string();
    let outcome = if asked.reply.is_ok() {
        Ended::answered
    } else {
        Ended::failed
    };
    let of = OfRequest {
        service: service.clone(),
        outcome,
    };
    metrics
        .batch_duration
        .get_or_create(&of)
        .observe(asked.took.as_secs_f64());
    #[expect(
        clippy::cast_precision_loss,
        reason = "batches are far smaller than 2^52"
    )]
    metrics.batch_hosts.observe(asked.about.len() as f64);
    match &asked.reply {
        Ok(reply) => {
            for answer in &reply.answers {
                let of = OfOutcome {
                    outcome: answer.outcome.as_str(),
                };
                metrics.attestations.get_or_create(&of).inc();
            }
        }
        Err(error) => {
            let of = OfError {
                service,
                kind: error.kind(),
            };
            metrics.service_errors.get_or_create(&of).inc();
        }
    }
}

#[cfg(test)]
mod tests;
