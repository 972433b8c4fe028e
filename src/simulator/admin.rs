//! The admin port, plain HTTP: what is played, what goes wrong, what was asked. Whoever reaches it
//! may do all of it.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::simulator::fault::Fault;
use crate::simulator::hosts::{Host, HostName, Rule};
use crate::simulator::journal::Page;
use crate::simulator::simulation::Simulation;

#[cfg(test)]
mod tests;

/// How large a body may be; a rule has some 40 bytes.
const LARGEST: usize = 64 * 1024;

/// What is refused, and the sentence that says why.
type Refusal = (StatusCode, String);

/// Every host that is played.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Script {
    /// By name.
    pub hosts: Vec<Host>,
}

/// The routes.
pub(super) fn router(simulation: Arc<Simulation>) -> Router {
    Router::new()
        .route("/fault", get(fault).put(set_fault))
        .route("/hosts", get(hosts))
        .route("/hosts/{name}", put(set_host).delete(remove_host))
        .route("/livez", get(async || "ok"))
        .route("/requests", get(requests))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(simulation)
}

/// `GET /hosts`.
async fn hosts(State(simulation): State<Arc<Simulation>>) -> Json<Script> {
    let hosts = simulation.with_hosts(|hosts| hosts.iter().collect());
    Json(Script { hosts })
}

/// `PUT /hosts/{name}`.
async fn set_host(
    State(simulation): State<Arc<Simulation>>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<Json<Host>, Refusal> {
    let name = HostName::try_from(name).map_err(|error| bad(error.to_string()))?;
    let rule: Rule = read(&body)?;
    let Rule { verdict, delay } = rule;
    simulation
        .set_host(name.clone(), rule)
        .map_err(|error| bad(format!("host `{name}`: {error}")))?;
    info!(host = %name, ?verdict, %delay, "changed a host");
    Ok(Json(Host {
        name,
        verdict,
        delay,
    }))
}

/// `DELETE /hosts/{name}`.
async fn remove_host(
    State(simulation): State<Arc<Simulation>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    let name = HostName::try_from(name).map_err(|error| bad(error.to_string()))?;
    if !simulation.remove_host(&name) {
        return Err((
            StatusCode::NOT_FOUND,
            format!("host `{name}` is not played"),
        ));
    }
    info!(host = %name, "removed a host");
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /fault`.
async fn fault(State(simulation): State<Arc<Simulation>>) -> Json<Fault> {
    Json(simulation.fault())
}

/// `PUT /fault`.
async fn set_fault(
    State(simulation): State<Arc<Simulation>>,
    body: Bytes,
) -> Result<Json<Fault>, Refusal> {
    let fault: Fault = read(&body)?;
    simulation.set_fault(fault);
    info!(fault = %fault.kind(), "changed the fault");
    Ok(Json(fault))
}

/// `GET /requests?since=N`.
async fn requests(
    State(simulation): State<Arc<Simulation>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Page>, Refusal> {
    let since = since(query.as_deref().unwrap_or_default()).map_err(bad)?;
    Ok(Json(simulation.journal.page(since)))
}

/// The number after which entries are asked for; 0 if left out.
fn since(query: &str) -> Result<u64, String> {
    let mut since = 0;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name != "since" {
            return Err(format!("query `{name}` is unknown; there is only `since`"));
        }
        since = value
            .parse()
            .map_err(|_error| format!("query `since`: `{value}` is no number of a request"))?;
    }
    Ok(since)
}

/// Reads a body, whatever its `Content-Type`.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        bad(match path.as_str() {
            "." => reason.to_string(),
            field => format!("field `{field}`: {reason}"),
        })
    })?;
    json.end().map_err(|error| bad(error.to_string()))?;
    Ok(value)
}

/// 400.
const fn bad(sentence: String) -> Refusal {
    (StatusCode::BAD_REQUEST, sentence)
}
