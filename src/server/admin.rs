//! The admin port: `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tracing::error;

use crate::telemetry::Chain;

use super::access::{self, Access};
use super::readiness::Readiness;

/// What `encode` writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin port tells.
#[derive(Debug)]
pub struct Admin {
    readiness: Arc<Readiness>,
    ready: Gauge,
    registry: Registry,
}

/// Adds to `registry`, which is to prefix every name with `trustpool`, whether the process is ready.
pub fn readiness(registry: &mut Registry) -> Gauge {
    let gauge = Gauge::default();
    registry.register("ready", "Whether /readyz says ok", gauge.clone());
    gauge
}

impl Admin {
    /// Tells what `readiness` says, and what is in `registry`.
    #[must_use]
    pub fn new(readiness: Arc<Readiness>, mut registry: Registry) -> Self {
        Self {
            readiness,
            ready: self::readiness(&mut registry),
            registry,
        }
    }
}

/// Answers the three paths.
pub fn router(admin: &Arc<Admin>) -> Router {
    health(admin).merge(measures(admin))
}

/// Answers `/livez` and `/readyz`.
pub fn health(admin: &Arc<Admin>) -> Router {
    Router::new()
        .route("/livez", get("ok\n"))
        .route("/readyz", get(readyz))
        .with_state(Arc::clone(admin))
}

/// Answers `/metrics`, to those whom `access` lets.
pub fn guarded(admin: &Arc<Admin>, access: Access) -> Router {
    measures(admin).layer(from_fn_with_state(access, access::guard))
}

fn measures(admin: &Arc<Admin>) -> Router {
    Router::new()
        .route(access::PATH, get(metrics))
        .with_state(Arc::clone(admin))
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    match admin.readiness.check() {
        Ok(()) => "ok\n".into_response(),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("{missing}\n")).into_response(),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let ready = admin.readiness.check().is_ok();
    admin.ready.set(i64::from(ready));
    let mut text = String::new();
    match encode(&mut text, &admin.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(failed) => {
            error!(error = %Chain(&failed), "metrics were not written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt;

    use crate::clock::Clock;
    use crate::server::readiness::For;
    use crate::store::{SILENCE, channel};

    use super::*;

    async fn ask(router: &Router, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(text.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn ready_is_every_watch_alive_and_every_condition_met() {
        let clock = Clock::system();
        let (writer, reader) = channel();
        let claimed = Arc::new(AtomicBool::new(false));
        let holds = Arc::clone(&claimed);
        let condition = move |_| match holds.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err("no certificate yet".to_owned()),
        };
        let mut readiness = Readiness::new(clock.clone());
        readiness.require(For::All, move |now| {
            reader.ready(now).map_err(|error| error.to_string())
        });
        readiness.require(For::All, condition);
        let admin = Admin::new(Arc::new(readiness), Registry::default());
        let router = router(&Arc::new(admin));
        let not = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));

        let expected = not("the watch of Nodes has not listed yet");
        assert_eq!(ask(&router, "/readyz").await, expected);

        writer.health().nodes.list(clock.now());
        let expected = not("the watch of NodeTrusts has not listed yet");
        assert_eq!(ask(&router, "/readyz").await, expected);

        writer.health().node_trusts.list(clock.now());
        assert_eq!(ask(&router, "/readyz").await, not("no certificate yet"));
        let (_, metrics) = ask(&router, "/metrics").await;
        assert!(metrics.contains("\nready 0\n"), "{metrics}");

        claimed.store(true, Ordering::Relaxed);
        assert_eq!(
            ask(&router, "/readyz").await,
            (StatusCode::OK, "ok\n".to_owned())
        );
        let (_, metrics) = ask(&router, "/metrics").await;
        assert!(metrics.contains("\nready 1\n"), "{metrics}");

        tokio::time::advance(SILENCE).await;
        let expected = not("the watch of Nodes has been silent for 90 s");
        assert_eq!(ask(&router, "/readyz").await, expected);
        assert_eq!(
            ask(&router, "/livez").await,
            (StatusCode::OK, "ok\n".to_owned())
        );
    }

    #[tokio::test]
    async fn metrics_are_in_the_open_metrics_format() {
        let mut registry = Registry::with_prefix("trustpool");
        registry.register("leader", "Says", Counter::<u64>::default());
        let readiness = Arc::new(Readiness::new(Clock::system()));
        let admin = Arc::new(Admin::new(readiness, registry));
        let request = Request::get("/metrics").body(Body::empty()).unwrap();

        let response = router(&admin).oneshot(request).await.unwrap();

        assert_eq!(response.headers()[CONTENT_TYPE], OPEN_METRICS);
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert!(text.ends_with(b"trustpool_ready 1\n# EOF\n"), "{text:?}");
    }
}
