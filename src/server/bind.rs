//! The bind gate: reviews of Bindings (validating webhook, `admission.k8s.io/v1`), whoever sent them. It closes
//! what no selector and no filter can: hand-written Bindings, and the moment between filter and bind.
//!
//! The API server chooses the path by the labels of the pod's namespace (`manifests/webhook.yaml`), and adds
//! `?timeout=2s`. Every review that can be read is answered with its `uid`, whatever we know.

mod decision;
mod metrics;
mod pods;
mod review;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, post};
use kube::Client;
use thiserror::Error;
use tracing::{debug, info};

use crate::clock::Clock;
use crate::domain::requirement::{Rule, Words};
use crate::domain::{Now, Requirement};
use crate::store::{Entry, NamespaceRule, Reader, Rules};
use crate::telemetry::Chain;

use super::body::{self, Intake};

pub use decision::{Cover, Decision, Undecided};
pub use metrics::Metrics;
pub use pods::Unlearnt;
pub use review::Subject;

use pods::{Asks, Pods};
use review::{Review, Unreadable};

/// The rule that `trustpool.dev/require: trusted` makes.
const TRUSTED: &str = "trusted";

/// What answers the API server.
#[derive(Debug)]
pub struct Bind {
    clock: Clock,
    store: Reader,
    rules: Rules,
    pods: Pods,
    metrics: Metrics,
    intake: Intake,
}

/// Why a request got no review in return.
#[derive(Debug, Error)]
enum Error {
    #[error(transparent)]
    Body(#[from] body::Error),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

/// Answers `POST /bind/audit`, `/bind/open`, `/bind/required` and `/bind/strict`.
pub fn router(bind: Bind) -> Router {
    Router::new()
        .route("/bind/audit", on(Cover::Audit))
        .route("/bind/open", on(Cover::Open))
        .route("/bind/required", on(Cover::Required))
        .route("/bind/strict", on(Cover::Strict))
        .with_state(Arc::new(bind))
}

fn on(cover: Cover) -> MethodRouter<Arc<Bind>> {
    post(
        async move |State(bind): State<Arc<Bind>>, request: Request| match bind
            .answer(cover, request.into_body())
            .await
        {
            Ok(answer) => answer,
            Err(error) => {
                debug!(error = %Chain(&error), "a review was not answered");
                (error.status(), format!("{}\n", Chain(&error))).into_response()
            }
        },
    )
}

impl Error {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl Bind {
    /// Decides from the snapshots of `store` and the rules of namespaces, at the times of `clock`; asks the API
    /// server about pods through `client`.
    #[must_use]
    pub fn new(
        clock: Clock,
        store: Reader,
        rules: Rules,
        client: Client,
        metrics: Metrics,
    ) -> Self {
        Self {
            clock,
            store,
            rules,
            pods: Pods::new(client),
            metrics,
            intake: Intake::of_reviews(),
        }
    }

    async fn answer(&self, cover: Cover, body: Body) -> Result<Response, Error> {
        let started = self.clock.uptime();
        let body = self.intake.read(body).await?;
        let review = Review::read(&body)?;
        drop(body);
        let subject = &review.subject;
        let requirement = self.requirement(cover, subject).await;
        let (now, snapshot) = (self.clock.now(), self.store.snapshot());
        let entry = snapshot.entry(&subject.node).map(|entry| &**entry);
        let decision = match requirement {
            Ok(requirement) => self.decide(&requirement, entry, now),
            Err(undecided) => Decision::Undecided(undecided),
        };
        let message = decision.message(subject, entry, now);
        let refusal = self.count(cover, &decision, message);
        let answer = review.answer(refusal, decision.notes(subject, entry));
        let took = self.clock.uptime().saturating_sub(started);
        self.metrics.answered(took);
        Ok(Json(answer).into_response())
    }

    /// What the pod of `subject` asks.
    async fn requirement(&self, cover: Cover, subject: &Subject) -> Result<Requirement, Undecided> {
        let rule = match self.rules.of(&subject.namespace, self.clock.now()) {
            Ok(rule) => rule,
            // Here the API server has found that it is up to the pod.
            Err(_) if cover == Cover::Strict && self.is_silent(subject).await? => {
                return Ok(Requirement::Nothing);
            }
            Err(error) => return Err(Undecided::NotReady(error)),
        };
        let rule = effective(cover, &rule);
        // Where every pod asks for the same pool, none needs to be asked.
        let settled = rule.require == Some(TRUSTED) && rule.pool.is_some();
        if settled && !subject.uid.is_empty() {
            return Ok(Requirement::under(&rule, &Words::default()));
        }
        let asks = self.learn(subject).await?;
        Ok(Requirement::under(&rule, &asks.words()))
    }

    async fn is_silent(&self, subject: &Subject) -> Result<bool, Undecided> {
        let asks = self.learn(subject).await?;
        Ok(Requirement::read(&asks.words()) == Requirement::Nothing)
    }

    async fn learn(&self, subject: &Subject) -> Result<Arc<Asks>, Undecided> {
        self.pods.learn(subject).await.map_err(Undecided::Unlearnt)
    }

    fn decide(&self, requirement: &Requirement, entry: Option<&Entry>, now: Now) -> Decision {
        let ready = match requirement {
            Requirement::Nothing => Ok(()),
            Requirement::Trusted { .. } | Requirement::Unknown => self.store.ready(now),
        };
        match ready {
            Ok(()) => Decision::of(requirement, entry, now),
            Err(error) => Decision::Undecided(Undecided::NotReady(error)),
        }
    }

    /// Counts what was decided, and gives `message` back if it is a refusal.
    fn count(&self, cover: Cover, decision: &Decision, message: String) -> Option<String> {
        if decision.passes(cover) {
            match decision {
                Decision::Granted => self.metrics.granted(),
                Decision::NotAsked => {}
                Decision::Refused(_) | Decision::Undecided(_) => {
                    self.metrics.passed(decision.label());
                }
            }
            return None;
        }
        self.metrics.refused(decision.label());
        info!(%message, "refused a Binding");
        Some(message)
    }
}

/// The rule by which pods of a namespace are read: that of its labels, and what the API server found them to be.
fn effective(cover: Cover, rule: &NamespaceRule) -> Rule<'_> {
    let rule = rule.rule();
    match cover {
        Cover::Audit | Cover::Required => Rule {
            require: Some(TRUSTED),
            ..rule
        },
        Cover::Open | Cover::Strict => rule,
    }
}

#[cfg(test)]
mod tests;
