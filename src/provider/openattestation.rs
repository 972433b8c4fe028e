//! OpenAttestation: one `PollHosts` about several hosts, over TLS, judged.
//!
//! ```text
//!  hosts ──> host ──> wire ──> transport ──> wire ──> judge ──> Reply
//!           (names)  (JSON)   (deadlines)  (entries)  (pure)
//! ```
//!
//! The request is the one that every version from 1.5 to 2.3 takes, 1.0 too: `count` and `hosts`,
//! nothing optional, since 2.x refuses any other field. The time in a reply is the reply's own
//! (only 1.7 says when it validated): it proves that the answer is not an old one, and no more.

mod config;
mod host;
mod judge;
mod transport;
mod vtime;
mod wire;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::SignedDuration;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, HeaderValue};

use crate::clock::Clock;
use crate::provider::openattestation::judge::Window;
use crate::provider::openattestation::transport::Exchange;
use crate::provider::{Error, InvalidHost, Provider, Question, Reply};

pub use config::{Auth, Config, ConfigError, Secret, Timeouts};

/// The longest reply to a question about nobody, in bytes: room for what surrounds the entries.
const REPLY_BASE: usize = 16 * 1024;

/// The room for each host asked about, in bytes. An entry of 2.x has about 100; the values of all
/// 24 PCRs, which are not asked for, would add 24 × 80, about 2,000.
const REPLY_PER_HOST: usize = 4 * 1024;

/// One OpenAttestation service.
#[derive(Debug)]
pub struct OpenAttestation {
    client: reqwest::Client,
    endpoint: reqwest::Url,
    headers: HeaderMap,
    timeouts: Timeouts,
    max_skew: SignedDuration,
    clock: Clock,
}

impl OpenAttestation {
    /// Prepares to ask the service that `config` describes. Nothing is sent yet; what TLS needs is
    /// fixed from here on, so another CA or secret means another `OpenAttestation`.
    ///
    /// # Errors
    ///
    /// What is wrong with `config`.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let mut headers = config.auth_headers()?;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(Self {
            client: config.client()?,
            endpoint: config.endpoint()?,
            headers,
            timeouts: config.timeouts,
            max_skew: config.max_skew,
            clock: config.clock,
        })
    }

    async fn ask(&self, question: Question<'_>) -> Result<Reply, Error> {
        let hosts = question.hosts;
        check(hosts)?;
        let requested_at = self.clock.wall();
        let entries = if hosts.is_empty() {
            // An empty list is an error to 1.x.
            Vec::new()
        } else {
            self.poll(question).await?
        };
        let window = Window {
            requested_at,
            answered_at: self.clock.wall(),
            max_skew: self.max_skew,
        };
        Ok(judge::judge(&entries, hosts, window))
    }

    async fn poll(&self, question: Question<'_>) -> Result<Vec<wire::Entry>, Error> {
        let request = self
            .client
            .post(self.endpoint.clone())
            .headers(self.headers.clone())
            .json(&wire::PollHosts::about(question.hosts));
        let room = question.hosts.len().saturating_mul(REPLY_PER_HOST);
        let exchange = Exchange {
            url: self.endpoint.as_str(),
            timeouts: self.timeouts.halved(question.halvings),
            limit: room.saturating_add(REPLY_BASE),
        };
        let body = exchange.run(request).await?;
        wire::entries(&body).map_err(|problem| exchange.unreadable(problem))
    }
}

/// Finds the first host that must not be sent.
fn check(hosts: &[String]) -> Result<(), Error> {
    for name in hosts {
        host::check(name).map_err(|source| Error::Host {
            host: name.chars().take(host::LONGEST).collect(),
            source,
        })?;
    }
    Ok(())
}

impl Provider for OpenAttestation {
    fn accepts(&self, host: &str) -> Result<(), InvalidHost> {
        host::check(host)
    }

    fn attest<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Reply, Error>> {
        self.ask(question).boxed()
    }
}
