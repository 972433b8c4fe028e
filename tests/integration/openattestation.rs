//! The provider for OpenAttestation against real TLS servers on this machine: what it sends, what
//! it makes of every kind of reply, and what it never tells.

mod deadlines;
mod fixtures;
mod replies;
mod service;
mod transport;

use std::time::Duration;

use jiff::SignedDuration;
use trustpool::clock::Clock;
use trustpool::domain::Outcome;
use trustpool::provider::openattestation::{Auth, Config, OpenAttestation, Timeouts};
use trustpool::provider::{Error, Provider, Question, Reply, Then};
use trustpool::telemetry::Chain;

/// A secret that must be found nowhere.
const CANARY: &str = "canary-7f3a";

/// A configuration for the service at `url`, with time enough for a machine under load.
fn config(url: &str, roots: &str) -> Config {
    Config {
        url: url.to_owned(),
        path: "/AttestationService/resources/".to_owned(),
        roots: roots.as_bytes().to_vec(),
        auth: Some(Auth {
            header: "x-auth-blob".to_owned(),
            value: CANARY.as_bytes().to_vec().into(),
        }),
        timeouts: Timeouts {
            connect: Duration::from_secs(60),
            read: Duration::from_secs(60),
            total: Duration::from_secs(60),
        },
        max_skew: SignedDuration::from_mins(2),
        clock: Clock::system(),
    }
}

async fn ask(config: Config, hosts: &[&str]) -> Result<Reply, Error> {
    ask_halved(config, hosts, 0).await
}

async fn ask_halved(config: Config, hosts: &[&str], halvings: u32) -> Result<Reply, Error> {
    let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
    let hosts = &hosts;
    let provider = OpenAttestation::new(config).unwrap();
    let result = provider.attest(Question { hosts, halvings }).await;
    if let Err(error) = &result {
        invariant_10(error);
    }
    result
}

/// The secret is in no error, however it is printed.
fn invariant_10(error: &Error) {
    let printed = format!("{error} {error:?} {error:#?} {}", Chain(error));
    assert!(!printed.contains(CANARY), "{printed}");
}

/// What a reply says, host by host.
fn outcomes(reply: &Reply) -> Vec<Outcome> {
    let answers = reply.answers.iter();
    answers.map(|answer| answer.outcome).collect()
}

/// What an error tells its asker.
const fn summary(error: &Error) -> (&'static str, Outcome, Then) {
    (error.kind(), error.outcome(), error.then())
}
