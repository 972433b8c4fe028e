//! The scheduler extender: `/filter` and `/preempt`, answered from memory. A pod that does not ask
//! for trust gets every node back, whatever state we are in.

mod answer;
mod bounded;
mod pod;
mod slices;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use serde::Serialize;
use thiserror::Error;
use tokio::task::{JoinError, spawn_blocking};
use tracing::debug;

use crate::clock::Clock;
use crate::domain::select::select;
use crate::domain::{Now, Refusal, Requirement};
use crate::store::{NotReady, Reader, Snapshot};
use crate::telemetry::Chain;

use super::body::{self, Intake, SMALL};
use super::metrics::{Metrics, Mode};

use self::answer::{Allowed, Answer, Lists};
use self::bounded::Entries;
use self::slices::{Item, Kept, stretches};
use self::wire::{Candidates, Filter, Preempt, Text, Unreadable, Victims};

/// What answers the scheduler.
#[derive(Debug)]
pub struct Extender {
    clock: Clock,
    store: Reader,
    metrics: Metrics,
    intake: Intake,
}

/// Why a request got no answer.
#[derive(Debug, Error)]
enum Error {
    /// The body was not taken.
    #[error(transparent)]
    Body(#[from] body::Error),
    /// No decision may be made now.
    #[error("no pod that asks for trust can be answered now")]
    NotReady(#[source] NotReady),
    /// An item of the request lies outside of it.
    #[error("failed to slice the request")]
    Slice,
    /// The process is about to end.
    #[error("failed to finish the answer")]
    Stopped(#[source] JoinError),
    /// Names in a body of a size that is for Nodes.
    #[error("a request with `NodeNames` may have {SMALL} bytes at most")]
    TooManyNames,
    /// The body is not a request.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// The answer does not fit into memory.
    #[error("failed to write the answer")]
    Write(#[from] serde_json::Error),
}

/// Answers `POST /filter` and `POST /preempt`.
pub fn router(extender: Extender) -> Router {
    Router::new()
        .route("/filter", post(filter))
        .route("/preempt", post(preempt))
        .with_state(Arc::new(extender))
}

/// The error of a request goes into the answer, where the pod's event shows it. An error of ours is
/// a status: the pod is tried again soon, where a refusal would park it.
async fn filter(State(extender): State<Arc<Extender>>, request: Request) -> Response {
    let error = match extender.answer(request.into_body(), Extender::filter).await {
        Ok(answer) => return answer.into_response(),
        Err(error) => error,
    };
    match &error {
        Error::Body(_) | Error::TooManyNames | Error::Unreadable(_) => {
            debug!(error = %Chain(&error), "a request was not answered");
            match Answer::error(&format!("trustpool: {}", Chain(&error))) {
                Ok(answer) => answer.into_response(),
                Err(unwritable) => failed(&unwritable.into()),
            }
        }
        Error::NotReady(_) | Error::Slice | Error::Stopped(_) | Error::Write(_) => failed(&error),
    }
}

/// An answer has no place for an error here, so every error is a status.
async fn preempt(State(extender): State<Arc<Extender>>, request: Request) -> Response {
    match extender
        .answer(request.into_body(), Extender::preempt)
        .await
    {
        Ok(answer) => answer.into_response(),
        Err(error) => failed(&error),
    }
}

/// Answers with the status of `error` and its text.
fn failed(error: &Error) -> Response {
    debug!(error = %Chain(error), "a request was not answered");
    (error.status(), format!("{}\n", Chain(error))).into_response()
}

impl Error {
    const fn status(&self) -> StatusCode {
        match self {
            Self::Body(error) => error.status(),
            Self::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyNames => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unreadable(_) => StatusCode::BAD_REQUEST,
            Self::Slice | Self::Stopped(_) | Self::Write(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Reads a body and decides.
type Decide = fn(&Extender, &Bytes) -> Result<(Mode, Answer), Error>;

impl Extender {
    /// Decides from the snapshots of `store`, at the times of `clock`.
    #[must_use]
    pub fn new(clock: Clock, store: Reader, metrics: Metrics) -> Self {
        Self {
            clock,
            store,
            metrics,
            intake: Intake::default(),
        }
    }

    /// Takes `body` and has `decide` answer it.
    async fn answer(self: Arc<Self>, body: Body, decide: Decide) -> Result<Answer, Error> {
        let started = self.clock.uptime();
        let body = self.intake.read(body).await?;
        let (mode, answer) = if body.len() > SMALL {
            // Tens of milliseconds, in which a worker of the runtime would answer nobody.
            let extender = Arc::clone(&self);
            spawn_blocking(move || decide(&extender, &body))
                .await
                .map_err(stopped)??
        } else {
            decide(&self, &body)?
        };
        let took = self.clock.uptime().saturating_sub(started);
        self.metrics.answered(mode, took, &answer.tally);
        Ok(answer)
    }

    fn filter(&self, body: &Bytes) -> Result<(Mode, Answer), Error> {
        let request = Filter::read(body)?;
        let gate = self.gate(request.pod.requirement())?;
        match request.candidates {
            Candidates::Names(_) if body.len() > SMALL => Err(Error::TooManyNames),
            Candidates::Names(names) => Ok((Mode::Names, gate.names(&names, body.len())?)),
            Candidates::Nodes(nodes) => Ok((Mode::Full, gate.nodes(&nodes, body)?)),
        }
    }

    fn preempt(&self, body: &Bytes) -> Result<(Mode, Answer), Error> {
        let request = Preempt::read(body)?;
        let gate = self.gate(request.pod.requirement())?;
        let answer = match request.candidates {
            Victims::Full(nodes) => gate.victims(&nodes)?,
            Victims::Meta(nodes) => gate.victims(&nodes)?,
        };
        Ok((Mode::Preempt, answer))
    }

    /// What this moment says to a pod with `requirement`. A pod that does not ask is never told to
    /// come again.
    fn gate(&self, requirement: Requirement) -> Result<Gate, Error> {
        let now = self.clock.now();
        if requirement != Requirement::Nothing {
            self.store.ready(now).map_err(Error::NotReady)?;
        }
        Ok(Gate {
            requirement,
            snapshot: self.store.snapshot(),
            now,
        })
    }
}

/// A panic goes on where it would have gone without a thread of its own.
fn stopped(error: JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => Error::Stopped(error),
    }
}

/// One pod, one snapshot, one moment.
#[derive(Debug)]
struct Gate {
    requirement: Requirement,
    snapshot: Arc<Snapshot>,
    now: Now,
}

impl Gate {
    fn judge(&self, name: &str) -> Result<(), Refusal> {
        select(&self.requirement, self.snapshot.standing(name), self.now)
    }

    /// Adds the node `name` to one of `lists`.
    fn sort(&self, name: &str, lists: &mut Lists) -> serde_json::Result<Kept> {
        Ok(match self.judge(name) {
            Ok(()) => {
                lists.keep(name)?;
                Kept::Yes
            }
            Err(refusal) => {
                lists.refuse(name, refusal)?;
                Kept::No
            }
        })
    }

    /// Answers a request of `length` bytes.
    fn names(&self, names: &[Text<'_>], length: usize) -> Result<Answer, Error> {
        let mut lists = Lists::for_names(length);
        for Text(name) in names {
            self.sort(name, &mut lists)?;
        }
        Ok(lists.names())
    }

    /// Answers the request `body`.
    fn nodes(&self, nodes: &[Item<'_>], body: &Bytes) -> Result<Answer, Error> {
        let mut lists = Lists::for_names(0);
        let mut sorted = Vec::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            let name = node.name.as_deref().ok_or(Unreadable::NoName(index))?;
            sorted.push((node.raw, self.sort(name, &mut lists)?));
        }
        let stretches = stretches(body, &sorted).ok_or(Error::Slice)?;
        Ok(lists.nodes(stretches))
    }

    fn victims<V: Serialize>(&self, nodes: &Entries<'_, V>) -> Result<Answer, Error> {
        let mut allowed = Allowed::new();
        for (name, victims) in &nodes.0 {
            if self.judge(name).is_ok() {
                allowed.add(name, victims)?;
            }
        }
        Ok(allowed.finish())
    }
}
