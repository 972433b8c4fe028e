//! Metrics for those alone who may read them: real tokens, judged by the real API server.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::{Certificate, Client, StatusCode};
use trustpool_harness::install::{GATE, NAMESPACE};

use trustpool_harness::{
    Addresses, Authority, Process, Program, SOON, Setup, Slot, World, eventually,
};

/// The account that measures, and one that nobody bound to anything.
const ACCOUNTS: [&str; 2] = ["prometheus", "nobody"];

/// Whoever measures, as `metrics.authenticated` of the chart has it.
async fn grant(world: &World) -> anyhow::Result<()> {
    let role = "trustpool-metrics-reader";
    let measures = format!("--serviceaccount={NAMESPACE}:{}", ACCOUNTS[0]);
    for arguments in [
        vec![
            "create",
            "clusterrole",
            role,
            "--verb=get",
            "--non-resource-url=/metrics",
        ],
        vec![
            "create",
            "clusterrolebinding",
            role,
            "--clusterrole",
            role,
            &measures,
        ],
        vec![
            "create",
            "clusterrolebinding",
            "trustpool-gate-asks",
            "--clusterrole=system:auth-delegator",
            "--user",
            GATE,
        ],
    ] {
        world.plane.kubectl(&arguments).await?;
    }
    for account in ACCOUNTS {
        let create = [
            "create",
            "serviceaccount",
            account,
            "--namespace",
            NAMESPACE,
        ];
        world.plane.kubectl(&create).await?;
    }
    Ok(())
}

async fn token(world: &World, account: &str) -> anyhow::Result<String> {
    let create = ["create", "token", account, "--namespace", NAMESPACE];
    Ok(world.plane.kubectl(&create).await?.trim().to_owned())
}

/// A gate that lets only some read its metrics, and where.
fn gate(world: &World, ca: &Authority, at: Addresses) -> anyhow::Result<(Process, SocketAddr)> {
    let listen = Addresses::free()?.admin;
    let server = ca.server(&["127.0.0.1"])?;
    let file = |name: &str, text: &str| {
        let path = world.plane.directory().join(name);
        std::fs::write(&path, text)?;
        Ok::<_, std::io::Error>(path)
    };
    let program = Program::new(
        "trustpool-measured",
        Path::new(env!("CARGO_BIN_EXE_trustpool")),
    )
    .arg("gate")
    .arg("--kubeconfig")
    .arg(world.users.gate.kubeconfig())
    .args([format!("--metrics-listen={listen}")])
    .arg("--metrics-tls-cert")
    .arg(file("metrics.crt", &server.certificate)?)
    .arg("--metrics-tls-key")
    .arg(file("metrics.key", &server.key)?)
    .args(at.gate_flags());
    Ok((program.start(world.plane.directory())?, listen))
}

async fn read(client: &Client, url: &str, token: &str) -> anyhow::Result<(StatusCode, String)> {
    let mut request = client.get(url).timeout(Duration::from_secs(10));
    if !token.is_empty() {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await?;
    Ok((answer.status(), answer.text().await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_read_by_whoever_rbac_lets_and_by_nobody_else() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    grant(&world).await.unwrap();
    let ca = Authority::new("metrics").unwrap();
    let at = Addresses::free().unwrap();
    let (_gate, listen) = gate(&world, &ca, at).unwrap();
    let root = Certificate::from_pem(ca.certificate().as_bytes()).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([root]).build();
    let client = client.unwrap();
    let url = format!("https://{listen}/metrics");
    let ready = format!("http://{}/readyz", at.admin);
    eventually(SOON, "the gate is ready", async || {
        let (status, says) = read(&client, &ready, "").await?;
        ensure!(status == StatusCode::OK, "{says}");
        Ok(())
    })
    .await
    .unwrap();

    let prometheus = token(&world, ACCOUNTS[0]).await.unwrap();
    let nobody = token(&world, ACCOUNTS[1]).await.unwrap();
    let (status, text) = read(&client, &url, &prometheus).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(text.contains("\ntrustpool_ready 1\n"), "{text}");
    for (who, expected) in [
        ("", StatusCode::UNAUTHORIZED),
        ("not-a-token", StatusCode::UNAUTHORIZED),
        (&*nobody, StatusCode::FORBIDDEN),
    ] {
        let (status, text) = read(&client, &url, who).await.unwrap();
        assert_eq!(status, expected, "{text}");
        assert!(!text.contains("trustpool_ready"), "{text}");
    }
    let open = format!("http://{}/metrics", at.admin);
    let (status, _) = read(&client, &open, "").await.unwrap();
    assert_eq!(status, StatusCode::NOT_FOUND, "they are nowhere else");

    let revoke = ["delete", "clusterrolebinding", "trustpool-metrics-reader"];
    world.plane.kubectl(&revoke).await.unwrap();
    eventually(SOON, "nobody may any more", async || {
        let (status, _) = read(&client, &url, &prometheus)
            .await
            .context("no answer")?;
        ensure!(status == StatusCode::FORBIDDEN, "{status}");
        Ok(())
    })
    .await
    .unwrap();
}
