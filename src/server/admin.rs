//! The admin port: `/livez`, `/readyz`, `/metrics`.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tracing::error;

use crate::clock::Clock;
use crate::domain::Now;
use crate::store::Reader;
use crate::telemetry::Chain;

/// What `encode` writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Something that must hold for the process to be ready; else a sentence that says what is missing.
pub type Condition = Box<dyn Fn(Now) -> Result<(), String> + Send + Sync>;

/// What the admin port tells.
pub struct Admin {
    clock: Clock,
    conditions: Vec<Condition>,
    registry: Arc<Registry>,
}

impl Admin {
    /// Tells whether the watches behind `store` are alive, and what is in `registry`.
    #[must_use]
    pub fn new(clock: Clock, store: Reader, registry: Arc<Registry>) -> Self {
        let watches = move |now| store.ready(now).map_err(|error| error.to_string());
        Self {
            clock,
            conditions: Vec::new(),
            registry,
        }
        .requiring(watches)
    }

    /// Makes readiness depend on `condition` too, which must not wait.
    #[must_use]
    pub fn requiring(
        mut self,
        condition: impl Fn(Now) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.conditions.push(Box::new(condition));
        self
    }

    /// The first condition that does not hold.
    fn ready(&self) -> Result<(), String> {
        let now = self.clock.now();
        self.conditions.iter().try_for_each(|holds| holds(now))
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin")
            .field("clock", &self.clock)
            .field("conditions", &self.conditions.len())
            .field("registry", &self.registry)
            .finish()
    }
}

/// Answers the three paths.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get("ok\n"))
        .route("/metrics", get(metrics))
        .route("/readyz", get(readyz))
        .with_state(Arc::new(admin))
}

async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    match admin.ready() {
        Ok(()) => "ok\n".into_response(),
        Err(missing) => (StatusCode::SERVICE_UNAVAILABLE, format!("{missing}\n")).into_response(),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
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
        let admin = Admin::new(clock.clone(), reader, Arc::default()).requiring(condition);
        let router = router(admin);
        let not = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));

        let expected = not("the watch of Nodes has not listed yet");
        assert_eq!(ask(&router, "/readyz").await, expected);

        writer.health().nodes.list(clock.now());
        let expected = not("the watch of NodeTrusts has not listed yet");
        assert_eq!(ask(&router, "/readyz").await, expected);

        writer.health().node_trusts.list(clock.now());
        assert_eq!(ask(&router, "/readyz").await, not("no certificate yet"));

        claimed.store(true, Ordering::Relaxed);
        assert_eq!(
            ask(&router, "/readyz").await,
            (StatusCode::OK, "ok\n".to_owned())
        );

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
        let admin = Admin::new(Clock::system(), channel().1, Arc::new(registry));
        let request = Request::get("/metrics").body(Body::empty()).unwrap();

        let response = router(admin).oneshot(request).await.unwrap();

        assert_eq!(response.headers()[CONTENT_TYPE], OPEN_METRICS);
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert!(
            text.ends_with(b"trustpool_leader_total 0\n# EOF\n"),
            "{text:?}"
        );
    }
}
