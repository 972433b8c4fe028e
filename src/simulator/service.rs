//! The service port: what one request gets. Deciding is pure; waiting, entering it in the journal
//! and answering is all the rest does.

use std::convert::Infallible;
use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::request::Parts;
use axum::http::{Request, Response, StatusCode};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use jiff::Timestamp;
use thiserror::Error;
use tokio::time;
use tower::Service;
use tracing::debug;

use crate::domain::Verdict;
use crate::simulator::auth::{Header, redacted};
use crate::simulator::dialect::{Answer, Judged, Question, Speech};
use crate::simulator::fault::Fault;
use crate::simulator::hosts::{HostName, Hosts};
use crate::simulator::journal::{Asked, Ending, Entry};
use crate::simulator::simulation::{Simulation, TimeScale};

mod reply;
#[cfg(test)]
mod tests;

/// How large a body may be: 1 MiB is some 40,000 hosts.
const LARGEST: usize = 1024 * 1024;

/// How long a body may take to come in.
const SLOWEST: Duration = Duration::from_secs(30);

/// The connection is to be closed without an answer.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the connection was cut by order of the admin port, or its request never ended")]
pub(super) struct Severed;

/// The service as one client sees it.
#[derive(Clone, Debug)]
pub(super) struct Port {
    simulation: Arc<Simulation>,
    peer: SocketAddr,
}

impl Port {
    /// The service as `peer` sees it.
    pub(super) const fn new(simulation: Arc<Simulation>, peer: SocketAddr) -> Self {
        Self { simulation, peer }
    }
}

/// Makes a [`Port`] for each client.
pub(super) fn ports(
    simulation: Arc<Simulation>,
) -> impl Service<
    SocketAddr,
    Response = Port,
    Error = Infallible,
    Future = future::Ready<Result<Port, Infallible>>,
> + Clone {
    tower::service_fn(move |peer| future::ready(Ok(Port::new(Arc::clone(&simulation), peer))))
}

// Not an axum `Router`: its services cannot fail, and a failed service is how a connection is
// closed without an answer.
impl<B> Service<Request<B>> for Port
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Severed;
    type Future = BoxFuture<'static, Result<Response<Body>, Severed>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Severed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { simulation, peer } = self.clone();
        Box::pin(async move {
            tokio::select! {
                // A service that goes down takes along what it was working on.
                () = simulation.goes_down() => Err(Severed),
                answer = answer(&simulation, peer, request) => answer,
            }
        })
    }
}

/// Reads, decides, waits and answers.
async fn answer<B>(
    simulation: &Simulation,
    peer: SocketAddr,
    request: Request<B>,
) -> Result<Response<Body>, Severed>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let asked = simulation.clock.wall();
    let fault = simulation.fault();
    let (head, body) = request.into_parts();
    let question = read(simulation.speech, &head, body).await?;
    let entry = entry(simulation, &head, &question, peer, asked, fault);
    let seq = simulation.journal.open(entry);
    let context = Situation {
        admitted: simulation.admits(&head.headers),
        asked,
        fault,
        speech: simulation.speech,
        time_scale: simulation.time_scale,
    };
    let decision = simulation.with_hosts(|hosts| decide(&context, question, hosts));
    let (answer, verdicts) = match decision {
        Decision::Answer {
            answer,
            verdicts,
            after,
        } => {
            time::sleep(after).await;
            (answer, verdicts)
        }
        Decision::Never => future::pending().await,
        Decision::Sever => return Err(Severed),
    };
    let ending = Ending {
        answered: simulation.clock.wall(),
        status: answer.status.as_u16(),
        verdicts,
    };
    simulation.journal.close(seq, ending);
    debug!(seq, %peer, status = answer.status.as_u16(), "answered");
    Ok(reply::reply(answer, fault))
}

/// What is asked, or the refusal; an error if the request never ended.
async fn read<B>(
    speech: &dyn Speech,
    head: &Parts,
    body: B,
) -> Result<Result<Question, Answer>, Severed>
where
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let body = Box::pin(Limited::new(body, LARGEST));
    match time::timeout(SLOWEST, body.collect()).await {
        Ok(Ok(body)) => Ok(speech.read(head, &body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Ok(Err(speech.too_large())),
        Ok(Err(_)) | Err(_) => Err(Severed),
    }
}

/// What a request is judged by, beside itself and the hosts.
struct Situation {
    /// It carries the secret, or none is asked for.
    admitted: bool,
    /// When it came.
    asked: Timestamp,
    /// What goes wrong.
    fault: Fault,
    /// Who words the answer.
    speech: &'static dyn Speech,
    /// How fast time is played.
    time_scale: TimeScale,
}

/// What becomes of a request.
#[derive(Debug, Eq, PartialEq)]
enum Decision {
    /// This answer, with these verdicts in it, after this long.
    Answer {
        answer: Answer,
        verdicts: Vec<Verdict>,
        after: Duration,
    },
    /// Nothing, for as long as the client waits.
    Never,
    /// The connection is closed.
    Sever,
}

/// Says what becomes of a request. The verdicts are those at the moment it came: an answer that was
/// delayed is as old as its question, like a real one.
fn decide(situation: &Situation, question: Result<Question, Answer>, hosts: &Hosts) -> Decision {
    match situation.fault {
        Fault::Down => Decision::Sever,
        Fault::Garbage => at_once(garbage()),
        Fault::Hang => Decision::Never,
        Fault::Status(status) => at_once(situation.speech.failure(status)),
        Fault::None | Fault::Truncate if !situation.admitted => {
            at_once(situation.speech.unauthorized())
        }
        Fault::None | Fault::Truncate => match question {
            Ok(question) => judge(situation, question, hosts),
            Err(refusal) => at_once(refusal),
        },
    }
}

/// Answers a question when its slowest host has.
fn judge(situation: &Situation, question: Question, hosts: &Hosts) -> Decision {
    let rules = question.hosts.iter().map(|host| hosts.rule(host));
    let slowest = rules.map(|rule| rule.delay.0).max().unwrap_or_default();
    let judged = |host: HostName| {
        let verdict = hosts.rule(&host).verdict.verdict()?;
        Some(Judged { host, verdict })
    };
    let Some(judged) = question
        .hosts
        .into_iter()
        .map(judged)
        .collect::<Option<Vec<_>>>()
    else {
        return Decision::Never;
    };
    Decision::Answer {
        answer: (question.wording)(&judged, situation.asked),
        verdicts: judged.into_iter().map(|judged| judged.verdict).collect(),
        after: situation.time_scale.of(slowest),
    }
}

/// An answer without verdicts, at once.
const fn at_once(answer: Answer) -> Decision {
    Decision::Answer {
        answer,
        verdicts: Vec::new(),
        after: Duration::ZERO,
    }
}

/// What a proxy in the way might say.
const fn garbage() -> Answer {
    Answer {
        status: StatusCode::OK,
        kind: "text/html",
        allow: None,
        body: Bytes::from_static(b"<html><body>It works!</body></html>"),
    }
}

/// A request as the journal shows it before it has ended.
fn entry(
    simulation: &Simulation,
    head: &Parts,
    question: &Result<Question, Answer>,
    peer: SocketAddr,
    asked: Timestamp,
    fault: Fault,
) -> Entry {
    let auth = simulation.auth.as_ref();
    let path = head.uri.path_and_query();
    let headers = head.headers.iter();
    let hosts = question.as_ref().map(|question| question.hosts.as_slice());
    Entry {
        seq: 0,
        asked,
        answered: None,
        peer,
        method: head.method.to_string(),
        path: redacted(path.map_or("", |path| path.as_str()), auth),
        headers: headers
            .map(|(name, value)| Header::seen(name, value, auth))
            .collect(),
        hosts: hosts
            .unwrap_or_default()
            .iter()
            .map(|name| Asked {
                name: name.clone(),
                verdict: None,
            })
            .collect(),
        fault: fault.kind(),
        status: None,
    }
}
