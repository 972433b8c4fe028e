//! The real kube-scheduler asks over mutual TLS, with what `trustpool pki` made and printed; and goes on asking while
//! the CA is replaced, and while one gate takes over from another.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use trustpool_harness::install::project;
use trustpool_harness::{
    Addresses, Home, Part, Role, SOON, Scheduler, Setup, Signal, Slot, World, eventually,
};

use crate::support::trusted_nodes;

/// From one pod to the next.
const PACE: Duration = Duration::from_millis(100);

/// How often it is looked for a pod's node.
const LOOK: Duration = Duration::from_millis(10);

/// From a file to whoever reads it: every 5 s.
const REREAD: Duration = Duration::from_secs(7);

/// How long a pod that asks may wait for its node while something is replaced.
const PROMPT: Duration = Duration::from_secs(2);

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_trustpool"))
}

/// What an administrator types.
pub fn pki(arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(binary()).arg("pki").args(arguments).output()?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {error}");
    Ok(String::from_utf8(output.stdout)?)
}

/// A world whose kube-scheduler asks over mutual TLS.
struct Secured {
    world: World,
    controller: Role,
    gate: Role,
    folder: PathBuf,
}

impl Secured {
    async fn start() -> anyhow::Result<Self> {
        let mut world = Setup::default().prepare().await?;
        let routes = project("manifests/optional/extender.yaml");
        world.plane.apply(&routes).await?;
        let folder = world.plane.directory().join("pki");
        let dir = folder.to_str().context("not a path")?;
        pki(&["init", "--dir", dir])?;
        let controller = Role::controller(
            "controller",
            &world.users.controller,
            world.addresses,
            &Home::Process(binary().to_owned()),
            world.plane.directory(),
        )?;
        let gate = gate(&world, &folder, world.addresses)?;
        let url = format!("https://{}", world.addresses.extender);
        let printed = pki(&["scheduler", "--dir", dir, "--url", &url])?;
        let printed: Value = serde_saphyr::from_str(&printed)?;
        world
            .plane
            .start_scheduler(&Scheduler::as_printed(printed))
            .await?;
        let mut secured = Self {
            world,
            controller,
            gate,
            folder,
        };
        secured.controller.ready().await?;
        secured.gate.ready().await?;
        trusted_nodes(&secured.world, &["a"]).await?;
        secured.world.node("b", "untrusted").await?;
        secured.world.labelled("b", Some("untrusted")).await?;
        Ok(secured)
    }

    fn renew(&self, flag: &str) -> anyhow::Result<String> {
        let dir = self.folder.to_str().context("not a path")?;
        pki(&["renew", flag, "--dir", dir])
    }

    async fn asked(&self) -> anyhow::Result<f64> {
        asked(&self.gate).await
    }
}

/// What a gate counted of requests by names.
pub async fn asked(gate: &Role) -> anyhow::Result<f64> {
    let metrics = gate.metrics().await?;
    let line = metrics
        .lines()
        .find(|it| it.starts_with("trustpool_filter_duration_seconds_count{mode=\"names\"}"));
    Ok(line
        .and_then(|it| it.rsplit(' ').next())
        .unwrap_or("0")
        .parse()?)
}

/// A gate that speaks mutual TLS with what is in `folder`.
fn gate(world: &World, folder: &Path, at: Addresses) -> anyhow::Result<Role> {
    let home = Home::Process(binary().to_owned());
    Role::secured_gate(
        &world.users.gate,
        at,
        folder,
        &home,
        world.plane.directory(),
    )
}

fn asks(name: &str) -> Value {
    json!({"metadata": {"name": name, "annotations": {"trustpool.dev/require": "trusted"}},
        "spec": {"containers": [{"name": "main", "image": "none"}]}})
}

/// Pods that ask, one after another, each to be placed before the next.
struct Stream {
    placed: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<anyhow::Result<Duration>>,
}

impl Stream {
    fn start(world: &World, prefix: &'static str) -> Self {
        let pods: Api<Pod> = Api::namespaced(world.client.clone(), "default");
        let (placed, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, stopped) = (Arc::clone(&placed), Arc::clone(&stop));
        #[expect(clippy::disallowed_methods, reason = "nobody supervises a test")]
        let task = tokio::task::spawn(async move {
            let mut slowest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let name = format!("{prefix}-{}", counted.load(Ordering::Relaxed));
                slowest = slowest.max(place(&pods, &name).await?);
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PACE).await;
            }
            Ok(slowest)
        });
        Self { placed, stop, task }
    }

    /// Waits until some more were placed.
    async fn goes_on(&self) -> anyhow::Result<()> {
        let before = self.placed.load(Ordering::Relaxed);
        eventually(SOON, "pods are placed", async || {
            ensure!(self.placed.load(Ordering::Relaxed) >= before + 5);
            Ok(())
        })
        .await
    }

    /// Ends it; returns how many were placed, and how long the slowest took.
    async fn end(self) -> anyhow::Result<(usize, Duration)> {
        self.stop.store(true, Ordering::Relaxed);
        let slowest = self.task.await??;
        Ok((self.placed.load(Ordering::Relaxed), slowest))
    }
}

async fn place(pods: &Api<Pod>, name: &str) -> anyhow::Result<Duration> {
    let pod = serde_json::from_value(asks(name))?;
    pods.create(&PostParams::default(), &pod).await?;
    let begun = tokio::time::Instant::now();
    loop {
        let on = pods.get(name).await?.spec.and_then(|spec| spec.node_name);
        match on.as_deref() {
            Some("a") => break,
            Some(other) => bail!("{name} is on {other}"),
            None => ensure!(begun.elapsed() < SOON, "{name} is nowhere"),
        }
        tokio::time::sleep(LOOK).await;
    }
    let took = begun.elapsed();
    // A node has room for 110.
    let at_once = DeleteParams::default().grace_period(0);
    pods.delete(name, &at_once).await?;
    Ok(took)
}

#[tokio::test(flavor = "multi_thread")]
async fn kube_scheduler_asks_over_mutual_tls_and_a_ca_is_replaced_under_it() {
    let _slot = Slot::take().await.unwrap();
    let mut secured = Secured::start().await.unwrap();
    let stream = Stream::start(&secured.world, "renewed");
    stream.goes_on().await.unwrap();
    assert!(secured.asked().await.unwrap() > 0.0, "nobody asked");

    // The folder is the one that gate and kube-scheduler read: what is to be copied is there.
    assert!(secured.renew("--ca").unwrap().contains("1 of 3"));
    tokio::time::sleep(REREAD).await;
    stream.goes_on().await.unwrap();
    let scheduler = secured.world.plane.part(Part::Scheduler).unwrap();
    scheduler.restart().unwrap();
    stream.goes_on().await.unwrap();

    assert!(secured.renew("--done").unwrap().contains("2 of 3"));
    tokio::time::sleep(REREAD).await;
    stream.goes_on().await.unwrap();

    assert!(secured.renew("--done").unwrap().contains("3 of 3"));
    tokio::time::sleep(REREAD).await;
    stream.goes_on().await.unwrap();
    let asked = secured.asked().await.unwrap();
    stream.goes_on().await.unwrap();
    assert!(
        secured.asked().await.unwrap() > asked,
        "nobody asks any more"
    );

    let (placed, slowest) = stream.end().await.unwrap();
    println!(
        "{placed} pods were placed, the slowest in {slowest:?} (a restart of kube-scheduler among them)"
    );
    let gate = secured.gate.as_process().unwrap();
    let log = std::fs::read_to_string(gate.log()).unwrap();
    assert!(log.contains("connections from before end"), "{log}");
    assert!(!log.contains("a connection was not made"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_takes_over_from_another_on_its_ports_and_no_pod_waits() {
    let _slot = Slot::take().await.unwrap();
    let mut secured = Secured::start().await.unwrap();
    let world = &secured.world;
    let stream = Stream::start(world, "rolled");
    stream.goes_on().await.unwrap();

    for turn in 0..3 {
        // The same ports, but for the admin port: it is how the test tells them apart.
        let at = Addresses {
            admin: Addresses::free().unwrap().admin,
            ..world.addresses
        };
        let mut next = gate(world, &secured.folder, at).unwrap();
        next.ready().await.unwrap();
        let old = secured.gate.as_process().unwrap();
        old.signal(Signal::Terminate).unwrap();
        stream.goes_on().await.unwrap();
        let ended = old.wait(Duration::from_secs(12)).await.unwrap();
        assert!(ended.success(), "turn {turn}: {ended}");
        stream.goes_on().await.unwrap();
        secured.gate = next;
        assert!(
            secured.asked().await.unwrap() > 0.0,
            "the new one is not asked"
        );
    }

    let (placed, slowest) = stream.end().await.unwrap();
    println!("{placed} pods were placed, the slowest in {slowest:?}");
    assert!(slowest < PROMPT, "{slowest:?}");
}
