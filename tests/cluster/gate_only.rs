//! A gate that serves one port alone: it needs nothing that only the other needs, and asks for nothing of it.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

use anyhow::ensure;
use tokio::net::TcpStream;
use trustpool_harness::install::GATE;
use trustpool_harness::{Addresses, Process, Program, SOON, Setup, Slot, World, eventually};

use crate::gate_ports::{asks, binary, probe};

/// Starts a gate that serves `only` that, with more flags, and waits until a kubelet would call it ready.
async fn serve(
    world: &World,
    only: &str,
    at: Addresses,
    more: &[String],
) -> anyhow::Result<Process> {
    let directory = world.plane.directory();
    let socket = directory.join(format!("{only}.sock"));
    let program = Program::new(&format!("trustpool-only-{only}"), binary())
        .args(["gate", "--only", only])
        .arg("--kubeconfig")
        .arg(world.users.gate.kubeconfig())
        .arg("--admin-socket")
        .arg(&socket)
        .args(at.gate_flags())
        .args(more);
    let process = program.start(directory)?;
    eventually(SOON, "it is ready", async || {
        let (is_well, says) = probe(&socket)?;
        ensure!(is_well, "{says}");
        Ok(())
    })
    .await?;
    Ok(process)
}

/// Nobody has this address.
async fn is_free(address: SocketAddr) {
    TcpStream::connect(address).await.unwrap_err();
    TcpListener::bind(address).unwrap();
}

/// What the gate's account asked the API server about.
fn asked(world: &World) -> anyhow::Result<BTreeSet<String>> {
    let events = world.plane.audit().events()?.into_iter();
    let of_gate = events.filter(|it| it.user.username == GATE);
    Ok(of_gate.map(|it| it.object_ref.resource).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bind_gate_alone_is_ready_without_any_certificate_of_the_extender() {
    let _slot = Slot::take().await.unwrap();
    let mut world = Setup::default().prepare().await.unwrap();
    // For the certificate of the bind gate.
    world.run().await.unwrap();
    let at = Addresses::free().unwrap();
    let nothing = ["cert=tls.crt", "key=tls.key"].map(|it| format!("--extender-tls-{it}"));
    let nothing = [&nothing[..], &["--extender-client-ca=ca.crt".to_owned()]].concat();

    let _gate = serve(&world, "bind", at, &nothing).await.unwrap();

    TcpStream::connect(at.bind).await.unwrap();
    is_free(at.extender).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extender_alone_is_ready_without_the_certificate_of_the_bind_gate() {
    let _slot = Slot::take().await.unwrap();
    // No controller runs, so there is none.
    let world = Setup::default().prepare().await.unwrap();
    let at = Addresses::free().unwrap();

    let _gate = serve(&world, "extender", at, &[]).await.unwrap();

    asks(at).await.unwrap();
    is_free(at.bind).await;
    eventually(SOON, "its watches are in the audit log", async || {
        let asked = asked(&world)?;
        let expected = ["nodes", "nodetrusts"].map(str::to_owned);
        ensure!(asked == BTreeSet::from(expected), "{asked:?}");
        Ok(())
    })
    .await
    .unwrap();
}
