//! The ports of a gate: its own from the start, opened when it is ready, and for as long as it was told answered on
//! after it says that it is ready no longer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::json;
use tokio::net::TcpStream;
use trustpool_harness::{
    Addresses, Home, Process, Program, Proxy, Role, SOON, Setup, Signal, Slot, World, eventually,
};

/// How long it goes on.
const DELAY: Duration = Duration::from_secs(3);

pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_trustpool"))
}

/// A gate with a delay, and its socket.
fn gate(world: &World, at: Addresses) -> anyhow::Result<(Process, PathBuf)> {
    let socket = world.plane.directory().join("admin.sock");
    let program = Program::new("trustpool-delayed", binary())
        .arg("gate")
        .arg("--kubeconfig")
        .arg(world.users.gate.kubeconfig())
        .arg("--admin-socket")
        .arg(&socket)
        .args([format!("--shutdown-delay={}s", DELAY.as_secs())])
        .args(at.gate_flags());
    Ok((program.start(world.plane.directory())?, socket))
}

/// What `trustpool probe` says, and whether all is well.
pub fn probe(socket: &Path) -> anyhow::Result<(bool, String)> {
    let mut probe = Command::new(binary());
    let output = probe
        .arg("probe")
        .arg("--admin-socket")
        .arg(socket)
        .output()?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.success(), String::from_utf8(text)?))
}

/// Asks on a connection of its own.
pub async fn asks(at: Addresses) -> anyhow::Result<()> {
    let body = json!({"Pod": {"metadata": {"name": "x"}}, "NodeNames": ["a"]});
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/filter", at.url_prefix());
    let answer = client.post(url).json(&body).send().await?;
    ensure!(answer.status() == 200, "{}", answer.status());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn between_sigterm_and_its_end_a_gate_is_not_ready_and_answers() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().prepare().await.unwrap();
    // For the certificate of the bind gate.
    world.run().await.unwrap();
    let at = Addresses::free().unwrap();
    let (mut gate, socket) = gate(&world, at).unwrap();
    eventually(SOON, "the gate is ready", async || {
        let (is_well, says) = probe(&socket)?;
        ensure!(is_well, "{says}");
        Ok(())
    })
    .await
    .unwrap();
    asks(at).await.unwrap();

    gate.signal(Signal::Terminate).unwrap();
    let told = tokio::time::Instant::now();
    eventually(DELAY / 2, "the gate is not ready", async || {
        let (is_well, says) = probe(&socket)?;
        ensure!(!is_well && says.contains("told to stop"), "{says}");
        Ok(())
    })
    .await
    .unwrap();
    asks(at).await.unwrap();

    let ended = gate.wait(4 * DELAY).await.unwrap();
    assert!(ended.success(), "{ended}");
    assert!(told.elapsed() >= DELAY, "{:?}", told.elapsed());
    asks(at).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn until_every_watch_has_listed_the_ports_are_taken_and_closed() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().prepare().await.unwrap();
    world.run().await.unwrap();
    let at = Addresses::free().unwrap();
    let server = world.plane.server().strip_prefix("https://");
    let proxy = Proxy::start(server.context("no TLS").unwrap().parse().unwrap());
    let proxy = proxy.await.unwrap();
    proxy.freeze();
    let user = world.users.gate.through(proxy.address()).unwrap();
    let home = Home::Process(binary().to_owned());

    let mut gate = Role::gate("gate", &user, at, &home, world.plane.directory()).unwrap();

    eventually(SOON, "it says what it lacks", async || {
        let url = format!("http://{}/readyz", at.admin);
        let says = reqwest::get(url).await?.text().await?;
        ensure!(says.contains("has not listed yet"), "{says}");
        Ok(())
    })
    .await
    .unwrap();
    for port in [at.extender, at.bind] {
        TcpStream::connect(port).await.unwrap_err();
        std::net::TcpListener::bind(port).unwrap_err();
    }
    proxy.thaw();
    gate.ready().await.unwrap();
    for port in [at.extender, at.bind] {
        TcpStream::connect(port).await.unwrap();
    }
}
