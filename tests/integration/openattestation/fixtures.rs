//! Replies of real servers, and hostile ones, each with what must be concluded from it.

use serde::Deserialize;
use serde_json::Value;
use trustpool::domain::Outcome;

use crate::openattestation::service::{Authority, Service, reply};
use crate::openattestation::{ask, config, outcomes, summary};

#[derive(Deserialize)]
struct Fixture {
    id: String,
    requested_at: jiff::Timestamp,
    hosts: Vec<String>,
    response: Scripted,
    want: Want,
}

#[derive(Clone, Deserialize)]
struct Scripted {
    status: u16,
    #[serde(default)]
    headers: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
    body_raw: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Want {
    Error {
        kind: String,
        outcome: Outcome,
        then: String,
    },
    #[serde(untagged)]
    Outcomes {
        outcomes: Vec<Outcome>,
        unasked: usize,
    },
}

fn respond(scripted: &Scripted) -> axum::response::Response {
    let headers = scripted.headers.iter();
    let headers: Vec<(&str, &str)> = headers.map(|(name, value)| (&**name, &**value)).collect();
    let body = scripted.body_raw.clone();
    let body = body.unwrap_or_else(|| scripted.body.to_string());
    reply(scripted.status, &headers, body)
}

async fn check(fixture: Fixture, authority: &Authority) {
    let scripted = fixture.response;
    let leaf = authority.issue("127.0.0.1", |_| ());
    let service = Service::start(&leaf, "http/1.1", move |_| {
        let response = respond(&scripted);
        async move { response }
    });
    let config = config(&service.url, &authority.pem());
    let clock = config.clock.clone();
    clock.shift(fixture.requested_at.duration_since(clock.wall()));
    let hosts: Vec<&str> = fixture.hosts.iter().map(String::as_str).collect();

    let given = ask(config, &hosts).await;

    let id = fixture.id;
    match fixture.want {
        Want::Error {
            kind,
            outcome,
            then,
        } => {
            let (given_kind, given_outcome, given_then) = summary(&given.unwrap_err());
            let given = (given_kind, given_outcome, format!("{given_then:?}"));
            assert_eq!(given, (&*kind, outcome, then), "{id}");
        }
        Want::Outcomes {
            outcomes: expected,
            unasked,
        } => {
            let given = given.unwrap();
            assert_eq!(
                (outcomes(&given), given.unasked),
                (expected, unasked),
                "{id}"
            );
        }
    }
}

#[tokio::test]
async fn every_reply_of_the_contract_gives_what_a_client_that_fails_closed_concludes() {
    let fixtures = include_str!("../../fixtures/openattestation.json");
    let fixtures: Vec<Fixture> = serde_json::from_str(fixtures).unwrap();
    let authority = Authority::new();

    assert_eq!(fixtures.len(), 21);
    for fixture in fixtures {
        check(fixture, &authority).await;
    }
}
