//! The task against an API server in memory: what it writes, and what it leaves alone.

mod server;
mod told;

use std::collections::BTreeSet;

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tracing::instrument::WithSubscriber;

use crate::api::keys;
use crate::certificates::{Bundle, Pair, SETTLE, SUPERSEDED};
use crate::telemetry::to_file;

use super::*;
use server::Server;

const MAKE: [&str; 1] = ["POST trustpool-ca"];
const ISSUE: [&str; 1] = ["POST trustpool-gate-tls"];
const PUBLISH: [&str; 1] = ["PATCH bind.trustpool.dev"];

/// The task and what it writes to.
struct Run {
    bundles: watch::Sender<Vec<String>>,
    clock: Clock,
    server: Server,
    tasks: JoinSet<()>,
}

impl Run {
    /// Starts the task. Log lines of this thread go where they went.
    fn new(server: Server) -> Self {
        let mut run = Self {
            bundles: watch::Sender::default(),
            clock: Clock::system(),
            server,
            tasks: JoinSet::new(),
        };
        run.begin();
        run
    }

    fn begin(&mut self) {
        let names = Names::new(["trustpool-gate.trustpool-system.svc"]).unwrap();
        let client = self.server.client();
        let (clock, bundles) = (self.clock.clone(), self.bundles.clone());
        let task = Certificates::new(client, "trustpool-system", names, clock, bundles);
        self.tasks.spawn(task.run().with_current_subscriber());
    }

    /// What was written within so many seconds.
    async fn written(&self, seconds: u64) -> Vec<String> {
        sleep(Duration::from_secs(seconds)).await;
        self.server.asked()
    }

    fn shift(&self, by: SignedDuration) {
        self.clock.shift(by);
    }

    fn secret(&self, name: &str) -> Secret {
        serde_json::from_value(self.server.get(name).unwrap()).unwrap()
    }

    fn data(&self, name: &str, key: &str) -> Vec<u8> {
        self.secret(name).data.unwrap()[key].0.clone()
    }

    /// The bundle of each webhook.
    fn published(&self) -> Vec<Bundle> {
        let configuration = self.server.get(keys::BIND_WEBHOOK).unwrap();
        let webhooks = configuration["webhooks"].as_array().unwrap();
        let bundle = |webhook: &Value| {
            let bundle = webhook["clientConfig"]["caBundle"].clone();
            let bundle: k8s_openapi::ByteString = serde_json::from_value(bundle).unwrap();
            Bundle::read(&bundle.0)
        };
        webhooks.iter().map(bundle).collect()
    }

    /// What each bundle may be, as it is told; and what they are.
    fn told_and_there(&self) -> (Vec<String>, BTreeSet<String>) {
        let configuration = self.server.get(keys::BIND_WEBHOOK).unwrap();
        let webhooks = configuration["webhooks"].as_array().unwrap();
        let bundle = |it: &Value| it["clientConfig"]["caBundle"].as_str().map(str::to_owned);
        let there = webhooks.iter().filter_map(bundle).collect();
        (self.bundles.borrow().clone(), there)
    }

    /// Says that what the gate shows is taken by all who ask it.
    fn assert_trusted(&self) {
        let [certificate, key] =
            [keys::TLS_CERTIFICATE, keys::TLS_KEY].map(|key| self.data(keys::GATE_SECRET, key));
        let pair = Pair::read(&certificate, &key).unwrap();
        for bundle in self.published() {
            let signs = |it| pair.certificate().is_signed_by(it, self.clock.wall());
            assert!(bundle.iter().any(signs));
        }
    }
}

/// A server with a webhook configuration that has `annotations`.
fn server(annotations: &Value) -> Server {
    let server = Server::new();
    let webhook = |name| {
        json!({
            "name": name,
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "trustpool-gate", "namespace": "trustpool-system"}},
        })
    };
    let object = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"annotations": annotations},
        "webhooks": [webhook("strict.trustpool.dev"), webhook("open.trustpool.dev")],
    });
    server.put(keys::BIND_WEBHOOK, object);
    server
}

#[tokio::test(start_paused = true)]
async fn everything_is_made_within_three_seconds_and_then_left_alone() {
    let run = Run::new(server(&json!({})));

    assert_eq!(run.written(3).await, [MAKE, PUBLISH, ISSUE].concat());

    run.assert_trusted();
    assert_eq!(run.secret(keys::CA_SECRET).type_.as_deref(), Some("Opaque"));
    assert_eq!(
        run.secret(keys::GATE_SECRET).type_.as_deref(),
        Some("kubernetes.io/tls")
    );
    let (issuer, kept) = (
        run.data(keys::GATE_SECRET, keys::TLS_AUTHORITIES),
        run.data(keys::CA_SECRET, keys::TLS_AUTHORITIES),
    );
    assert_eq!(issuer, run.data(keys::CA_SECRET, keys::TLS_CERTIFICATE));
    assert_eq!(issuer, kept);
    let webhook = &run.server.get(keys::BIND_WEBHOOK).unwrap()["webhooks"][0];
    assert_eq!(webhook["failurePolicy"], "Fail");
    assert_eq!(webhook["clientConfig"]["service"]["name"], "trustpool-gate");
    assert_eq!(run.written(3 * 3600).await, <[&str; 0]>::default());
}

#[tokio::test(start_paused = true)]
async fn what_there_is_to_publish_waits_for_a_webhook() {
    let run = Run::new(Server::new());
    assert_eq!(run.written(3 * 3600).await, [MAKE, ISSUE].concat());

    run.server.put(
        keys::BIND_WEBHOOK,
        server(&json!({})).get(keys::BIND_WEBHOOK).unwrap(),
    );

    assert_eq!(run.written(1).await, PUBLISH);
    run.assert_trusted();
}

#[tokio::test(start_paused = true)]
async fn what_an_administrator_gives_is_left_alone() {
    let run = Run::new(server(&json!({keys::CA_BUNDLE: keys::CA_BUNDLE_GIVEN})));
    assert_eq!(run.written(3 * 3600).await, <[&str; 0]>::default());

    run.server.put(
        keys::BIND_WEBHOOK,
        server(&json!({keys::CA_BUNDLE: "ours"}))
            .get(keys::BIND_WEBHOOK)
            .unwrap(),
    );
    assert_eq!(run.written(3).await, [MAKE, PUBLISH, ISSUE].concat());
}

#[tokio::test(start_paused = true)]
async fn a_ca_is_replaced_step_by_step() {
    let run = Run::new(server(&json!({})));
    run.written(3).await;
    let old = run.published();

    run.shift(SignedDuration::from_hours(24 * 244));

    assert_eq!(
        run.written(3).await,
        ["PUT trustpool-ca", "PATCH bind.trustpool.dev"]
    );
    for (bundle, old) in run.published().iter().zip(&old) {
        assert_eq!(bundle.len(), 2);
        assert!(old.iter().all(|it| bundle.contains(it)));
    }
    let settle = SignedDuration::try_from(SETTLE).unwrap();
    // Two minutes by the wall clock alone are none.
    run.shift(settle);
    assert_eq!(run.written(SETTLE.as_secs()).await, <[&str; 0]>::default());
    run.shift(settle);
    assert_eq!(run.written(5).await, ["PUT trustpool-gate-tls"]);
    run.assert_trusted();

    run.shift(SUPERSEDED - SignedDuration::from_mins(1));
    assert_eq!(run.written(1).await, <[&str; 0]>::default());
    run.shift(SignedDuration::from_mins(1));
    assert_eq!(
        run.written(3).await,
        ["PUT trustpool-ca", "PATCH bind.trustpool.dev"]
    );
    assert!(run.published().iter().all(|it| it.len() == 1));
    run.assert_trusted();
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_is_gone_is_made_again_and_what_others_wrote_into_one_stays() {
    let run = Run::new(server(&json!({})));
    run.written(3).await;

    run.server.delete(keys::GATE_SECRET);
    assert_eq!(run.written(1).await, ISSUE);

    let mut gate = run.server.get(keys::GATE_SECRET).unwrap();
    gate["metadata"]["labels"] = json!({"theirs": "yes"});
    gate["data"][keys::TLS_KEY] = json!("");
    gate["data"]["theirs"] = json!("eWVz");
    run.server.put(keys::GATE_SECRET, gate);
    assert_eq!(run.written(2).await, ["PUT trustpool-gate-tls"]);
    run.assert_trusted();
    assert_eq!(
        run.secret(keys::GATE_SECRET).metadata.labels.unwrap()["theirs"],
        "yes"
    );
    assert_eq!(run.data(keys::GATE_SECRET, "theirs"), b"yes");
}

#[tokio::test(start_paused = true)]
async fn writes_that_fail_are_tried_again_after_1_2_4_and_8_seconds() {
    let server = server(&json!({}));
    server.refuse(6);
    let run = Run::new(server);

    let count = async |seconds| run.written(seconds).await.len();
    assert_eq!(count(2).await, 2);
    assert_eq!(count(3).await, 1);
    assert_eq!(count(3).await, 1);
    assert_eq!(count(8).await, 1);
    assert_eq!(count(8).await, 1);
    assert_eq!(run.written(11).await, [MAKE, PUBLISH, ISSUE].concat());
    run.assert_trusted();
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_meanwhile_is_not_written_over() {
    let run = Run::new(server(&json!({})));
    run.written(3).await;
    let mut gate = run.server.get(keys::GATE_SECRET).unwrap();
    gate["data"][keys::TLS_KEY] = json!("");

    run.server.race(1);
    run.server.put(keys::GATE_SECRET, gate);

    assert_eq!(run.written(3).await, ["PUT trustpool-gate-tls"; 2]);
    run.assert_trusted();
}

/// A CA and a certificate are made, one after a failure, and the certificate replaced, which somebody
/// else comes before.
async fn everything_is_said() -> Run {
    let server = server(&json!({}));
    server.refuse(1);
    let run = Run::new(server);
    run.written(9).await;
    run.shift(SignedDuration::from_hours(24 * 70));
    run.server.race(1);
    run.written(9).await;
    run
}

#[tokio::test(start_paused = true)]
async fn no_key_is_in_the_logs() {
    // A log line that another test is the first to come to, just now, would be lost.
    everything_is_said().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let logs = to_file(file.reopen().unwrap(), "trace");

    let run = everything_is_said().with_subscriber(logs).await;

    let logs = std::fs::read_to_string(file.path()).unwrap();
    for line in [
        "CA made",
        "certificate issued",
        "CAs published",
        "trying again",
    ] {
        assert!(logs.contains(line), "{line} in\n{logs}");
    }
    for secret in [keys::CA_SECRET, keys::GATE_SECRET] {
        let pem = String::from_utf8(run.data(secret, keys::TLS_KEY)).unwrap();
        let encoded = run.server.get(secret).unwrap()["data"][keys::TLS_KEY].to_string();
        let bytes = format!("{:?}", &pem.as_bytes()[40..60]);
        let line = pem.lines().nth(1).unwrap();
        let parts = [
            line,
            encoded.get(40..90).unwrap(),
            bytes.trim_matches(['[', ']']),
        ];
        assert!(parts.iter().all(|part| !logs.contains(part)), "{secret}");
    }
}
