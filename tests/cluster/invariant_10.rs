//! Invariant 10: secrets appear in no log, event, status, metric or error.

use std::path::Path;

use anyhow::ensure;
use serde_json::json;
use trustpool_harness::simulator::AUTH_BLOB;
use trustpool_harness::{SOON, Setup, Slot, Trustpool, World, eventually};

use crate::support::{all_labelled, condition_becomes, impatient, metric};

/// A secret that the service refuses.
const WRONG: &str = "canary-wrong-blob-xyzzywug";

/// A secret that cannot be sent at all.
const UNSENDABLE: &str = "canary-broken-blob-plughtor\u{1}";

/// What would give one of them away: the beginning of all, and the end of each. None is a word that
/// hexadecimal digits can spell: the text that is searched is full of UUIDs.
const PARTS: [&str; 4] = ["canary-", "zorkmid", "xyzzywug", "plughtor"];

#[test]
fn each_secret_is_looked_for_by_its_beginning_and_its_end() {
    for secret in [AUTH_BLOB, WRONG, UNSENDABLE] {
        let parts = PARTS.into_iter().filter(|part| secret.contains(part));
        assert_eq!(parts.count(), 2, "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_10_no_secret_appears_anywhere() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"refresh": {"interval": "2s", "minInterval": "1s"}, "validity": "10m"});
    let setup = Setup::default().pool(pool).service(impatient());
    let mut world = setup.prepare().await.unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_trustpool"));
    let started = Trustpool::process(binary, &world.plane, &world.users, world.addresses);
    world.trustpool = Some(started.await.unwrap());
    for (node, verdict) in [("a", "trusted"), ("b", "untrusted"), ("c", "unknown")] {
        world.node(node, verdict).await.unwrap();
    }
    all_labelled(&world, &["a"], "trusted").await.unwrap();
    world.asking_pod("waits").await.unwrap();

    the_service_refuses(&world).await.unwrap();
    the_secret_cannot_be_sent(&world).await.unwrap();
    a_secret_that_comes_right_is_used(&world).await.unwrap();
    for fault in ["garbage", "truncate", "down"] {
        fails(&world, fault).await.unwrap();
    }
    nothing_shows_a_secret(&mut world).await.unwrap();
}

/// Puts another secret into the place of the one that is used.
async fn rotate(world: &World, blob: &str) -> anyhow::Result<()> {
    let secret = json!({"stringData": {"auth-blob": blob}}).to_string();
    let patch = ["patch", "secret", "oat-auth", "-n", "trustpool-system"];
    let arguments = [&patch[..], &["--type=merge", "-p", &secret]].concat();
    world.plane.kubectl(&arguments).await?;
    Ok(())
}

async fn the_service_refuses(world: &World) -> anyhow::Result<()> {
    rotate(world, WRONG).await?;
    let service = ("ats", "oat", "Ready");
    condition_becomes(world, service, "False/RequestFailed", "401").await
}

async fn the_secret_cannot_be_sent(world: &World) -> anyhow::Result<()> {
    rotate(world, UNSENDABLE).await?;
    let service = ("ats", "oat", "Ready");
    condition_becomes(world, service, "False/InvalidReference", "").await
}

async fn a_secret_that_comes_right_is_used(world: &World) -> anyhow::Result<()> {
    rotate(world, AUTH_BLOB).await?;
    let service = ("ats", "oat", "Ready");
    condition_becomes(world, service, "True/AsExpected", "").await
}

async fn fails(world: &World, fault: &str) -> anyhow::Result<()> {
    let errors = "trustpool_service_errors_total";
    let failed = metric(world, errors).await?;
    world.simulator.fault(&json!({"kind": fault})).await?;
    eventually(SOON, &format!("a request fails: {fault}"), async || {
        ensure!(metric(world, errors).await? > failed);
        Ok(())
    })
    .await
}

async fn nothing_shows_a_secret(world: &mut World) -> anyhow::Result<()> {
    let kinds = "attestationservices,trustpools,nodetrusts,nodes,pods,configmaps,events";
    let mut shown = vec![
        ("metrics", world.trustpool().metrics().await?),
        ("objects", objects(world, kinds).await?),
        (
            "audit log",
            std::fs::read_to_string(world.plane.directory().join("audit.log"))?,
        ),
    ];
    let requests = serde_json::to_string(&world.simulator.requests().await?)?;
    shown.push(("journal", requests));
    let mut logs = String::new();
    for process in world.trustpool.iter_mut().flat_map(Trustpool::processes) {
        let log = std::fs::read_to_string(process.log())?;
        logs.push_str(&log);
    }
    ensure!(
        logs.contains("DEBUG"),
        "the logs are not at their most talkative"
    );
    ensure!(logs.contains("request failed"), "no error was logged");
    shown.push(("logs", logs));
    for (what, text) in shown {
        ensure!(!text.is_empty(), "no {what}");
        for part in PARTS {
            let line = text.lines().find(|line| line.contains(part));
            ensure!(line.is_none(), "{what}: {line:?}");
        }
        for encoded in [AUTH_BLOB, WRONG, UNSENDABLE].map(base64) {
            ensure!(!text.contains(&encoded), "{what} shows it in base64");
        }
    }
    Ok(())
}

/// All objects of `kinds`, once there are events among them.
async fn objects(world: &World, kinds: &str) -> anyhow::Result<String> {
    eventually(SOON, "events", async || {
        let shown = ["get", kinds, "--all-namespaces", "--output=yaml"];
        let shown = world.plane.kubectl(&shown).await?;
        ensure!(shown.contains("kind: Event"));
        Ok(shown)
    })
    .await
}

/// As a Secret's `data` has it.
fn base64(text: &str) -> String {
    let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
    let json = serde_json::to_value(bytes).unwrap_or_default();
    json.as_str()
        .unwrap_or_default()
        .trim_end_matches('=')
        .to_owned()
}
