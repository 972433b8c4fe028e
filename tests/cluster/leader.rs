//! Several controllers: one leads, and another one after it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use serde_json::{Value, json};
use tokio::time::Instant;
use trustpool::api::keys;
use trustpool_harness::install::{BOTH, NAMESPACE, USER};
use trustpool_harness::{
    Addresses, AuditEvent, Home, Role, SOON, Setup, Signal, Slot, World, eventually,
};

use crate::support::status;

/// The nodes whose hosts are trusted.
const TRUSTED: [&str; 4] = ["a", "b", "c", "d"];

/// The controllers, and the users that they are: the audit log tells them apart by that.
const NAMES: [&str; 2] = ["controller", "controller-2"];
const USERS: [&str; 2] = [USER, BOTH];

/// A world with two controllers and a gate, each a process of its own.
struct Pair {
    world: World,
    controllers: [Role; 2],
    gate: Role,
}

impl Pair {
    /// Starts them, and waits until all is attested and one leads.
    async fn start() -> anyhow::Result<Self> {
        // Rounds as fast as they may be: processes have a clock that no test can move.
        let refresh = json!({"interval": "1s", "minInterval": "1s"});
        let pool = json!({"refresh": refresh, "validity": "2m", "trustAgain": {"verdicts": 1}});
        // Longer than any test stops a process: what it asked is not too late by that alone.
        let timeouts = json!({"connect": "1s", "read": "40s", "total": "40s"});
        let setup = Setup::default().pool(pool);
        let setup = setup.service(json!({"timeouts": timeouts}));
        let world = setup.prepare().await?;
        for node in TRUSTED {
            world.node(node, "trusted").await?;
        }
        world.node("u", "untrusted").await?;
        let other = Addresses {
            controller_admin: Addresses::free()?.controller_admin,
            ..world.addresses
        };
        let home = Home::Process(Path::new(env!("CARGO_BIN_EXE_trustpool")).to_owned());
        let directory = world.plane.directory();
        let users = [&world.users.controller, &world.users.both];
        let controller = |at: usize, addresses| {
            Role::controller(NAMES[at], users[at], addresses, &home, directory)
        };
        let mut controllers = [controller(0, world.addresses)?, controller(1, other)?];
        let mut gate = Role::gate("gate", &world.users.gate, world.addresses, &home, directory)?;
        for role in controllers.iter_mut().chain([&mut gate]) {
            role.ready().await?;
        }
        for node in TRUSTED {
            world.labelled(node, Some("trusted")).await?;
        }
        world.labelled("u", Some("untrusted")).await?;
        Ok(Self {
            world,
            controllers,
            gate,
        })
    }

    /// Which controller says that it leads.
    async fn leader(&self) -> anyhow::Result<usize> {
        let mut leaders = Vec::new();
        for (at, role) in self.controllers.iter().enumerate() {
            if leads(role).await? {
                leaders.push(at);
            }
        }
        let [leader] = leaders[..] else {
            anyhow::bail!("these lead: {leaders:?}");
        };
        Ok(leader)
    }

    /// Sends a signal to the leader, and says which one that is.
    async fn signal(&mut self, signal: Signal) -> anyhow::Result<usize> {
        let leader = self.leader().await?;
        self.to(leader, signal)?;
        Ok(leader)
    }

    fn to(&mut self, at: usize, signal: Signal) -> anyhow::Result<()> {
        let process = self.controllers[at].as_process();
        process.context("it is a process")?.signal(signal)
    }

    async fn lease(&self) -> anyhow::Result<Lease> {
        let leases: Api<Lease> = Api::namespaced(self.world.client.clone(), NAMESPACE);
        Ok(leases.get(keys::LEASE).await?)
    }

    async fn holder(&self) -> anyhow::Result<String> {
        let spec = self.lease().await?.spec.context("a Lease without spec")?;
        Ok(spec.holder_identity.unwrap_or_default())
    }

    /// Waits for the first question of another leader than `before`, which asks no more, and says how long that took.
    async fn next_round(&self, before: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let asked = self.world.simulator.requests().await?.len();
        eventually(SOON, "another one leads", async || {
            let holder = self.holder().await?;
            ensure!(!holder.is_empty() && holder != before, "it is `{holder}`");
            Ok(())
        })
        .await?;
        eventually(SOON, "the next round", async || {
            let now = self.world.simulator.requests().await?.len();
            ensure!(now > asked, "{now} requests");
            Ok(())
        })
        .await?;
        Ok(began.elapsed())
    }
}

/// Whether a controller says that it leads.
async fn leads(role: &Role) -> anyhow::Result<bool> {
    let metrics = role.metrics().await?;
    Ok(metrics.lines().any(|line| line == "trustpool_leader 1"))
}

/// Asks the filter about every node without rest, and keeps what was not as it has to be.
async fn watch_the_filter(
    at: Addresses,
    until: &tokio_util::sync::CancellationToken,
) -> (usize, Vec<String>) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/filter", at.url_prefix());
    let nodes = [&TRUSTED[..], &["u"]].concat();
    let pod = trustpool_harness::world::asking_pod("asks");
    let body = json!({"Pod": pod, "NodeNames": nodes});
    let (mut answers, mut wrong) = (0, Vec::new());
    while !until.is_cancelled() {
        let answer = async {
            http.post(&url)
                .json(&body)
                .send()
                .await?
                .json::<Value>()
                .await
        };
        match answer.await {
            Ok(answer) if answer["NodeNames"] == json!(TRUSTED) => answers += 1,
            Ok(answer) => wrong.push(answer.to_string()),
            Err(error) => wrong.push(format!("{error:?}")),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (answers, wrong)
}

/// Ends the leader by `signal`, and says how long it took until the next round.
async fn failover(pair: &mut Pair, signal: Signal) -> anyhow::Result<Duration> {
    let (verdicts, holder) = (verdicts(pair).await?, pair.holder().await?);
    let stop = tokio_util::sync::CancellationToken::new();
    let at = pair.world.addresses;
    let asking = watch_the_filter(at, &stop);
    let story = async {
        pair.signal(signal).await?;
        pair.next_round(&holder).await
    };
    let story = async {
        let took = story.await;
        stop.cancel();
        took
    };
    let ((answers, wrong), took) = tokio::join!(asking, story);
    ensure!(
        wrong.is_empty() && answers > 20,
        "{answers} right answers, and {wrong:?}"
    );
    let after = self::verdicts(pair).await?;
    ensure!(after == verdicts, "{after:?} instead of {verdicts:?}");
    took
}

/// `NODE VERDICT` of every node.
async fn verdicts(pair: &Pair) -> anyhow::Result<Vec<String>> {
    let mut verdicts = Vec::new();
    for node in TRUSTED.into_iter().chain(["u"]) {
        let verdict = pair.world.verdict(node).await?;
        verdicts.push(format!("{node} {verdict}"));
    }
    Ok(verdicts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_killed_is_replaced_within_15_s_and_one_that_is_stopped_within_3_s() {
    let _slot = Slot::take().await.unwrap();
    let mut pair = Pair::start().await.unwrap();
    let killed = failover(&mut pair, Signal::Kill).await.unwrap();
    println!("killed: the next round after {:.1} s", killed.as_secs_f64());
    assert!(killed < Duration::from_secs(15), "{killed:?}");

    let dead = pair.controllers.iter_mut().find_map(|role| {
        let process = role.as_process()?;
        process.ended().unwrap().is_some().then_some(process)
    });
    dead.unwrap().restart().unwrap();
    for role in &mut pair.controllers {
        role.ready().await.unwrap();
    }
    let told = failover(&mut pair, Signal::Terminate).await.unwrap();
    println!(
        "told to stop: the next round after {:.1} s",
        told.as_secs_f64()
    );
    assert!(told < Duration::from_secs(3), "{told:?}");
    pair.gate.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn invariant_7_a_leader_that_was_stopped_in_mid_round_writes_nothing_when_it_goes_on() {
    let _slot = Slot::take().await.unwrap();
    let mut pair = Pair::start().await.unwrap();
    let before = pair.holder().await.unwrap();
    // Answers are under way, and each is another verdict.
    for node in TRUSTED {
        let simulator = &pair.world.simulator;
        simulator
            .play_slowly(node, "untrusted", "2s")
            .await
            .unwrap();
    }
    let asked = pair.world.simulator.requests().await.unwrap().len();
    eventually(SOON, "it asks", async || {
        let now = pair.world.simulator.requests().await?.len();
        ensure!(now > asked);
        Ok(())
    })
    .await
    .unwrap();
    let stopped = pair.signal(Signal::Stop).await.unwrap();
    // By then the answers wait in its socket. No other question is answered, so no record changes: nothing but its own
    // claim keeps it from writing them.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let silent = json!({"kind": "hang"});
    pair.world.simulator.fault(&silent).await.unwrap();
    let verdicts_before = verdicts(&pair).await.unwrap();
    pair.next_round(&before).await.unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;
    let went_on = now();
    pair.to(stopped, Signal::Continue).unwrap();
    eventually(SOON, "it finds out", async || {
        ensure!(!leads(&pair.controllers[stopped]).await?);
        Ok(())
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;

    let late = late_writes(&pair, stopped, went_on).unwrap();
    assert!(late.is_empty(), "{late:?}");
    assert_eq!(verdicts(&pair).await.unwrap(), verdicts_before);
    assert_ne!(pair.leader().await.unwrap(), stopped);
    the_next_leader_writes_in_its_own_term(&pair).await.unwrap();
}

/// And so whatever a leader of an earlier term still believes is refused.
async fn the_next_leader_writes_in_its_own_term(pair: &Pair) -> anyhow::Result<()> {
    pair.world.simulator.fault(&json!({"kind": "none"})).await?;
    pair.world
        .becomes("a", "untrusted/FailedAttestation")
        .await?;
    let epoch = pair
        .lease()
        .await?
        .spec
        .context("no spec")?
        .lease_transitions;
    let written = status(&pair.world, "a").await?.epoch;
    ensure!(written == epoch.map(i32::unsigned_abs), "{written:?}");
    let stale = json!({"status": {"epoch": 1}}).to_string();
    let patch = [
        "patch",
        "nodetrust",
        "a",
        "--subresource=status",
        "--type=merge",
        "-p",
        &stale,
    ];
    let refused = pair.world.plane.kubectl(&patch).await;
    let refused = refused.err().context("an earlier epoch was taken")?;
    let why = "a later leader has written this record since";
    ensure!(format!("{refused:#}").contains(why), "{refused:#}");
    Ok(())
}

fn now() -> Timestamp {
    trustpool::clock::Clock::system().wall()
}

/// What the replica `at` wrote since then, and the API server took.
fn late_writes(pair: &Pair, at: usize, since: Timestamp) -> anyhow::Result<Vec<AuditEvent>> {
    let mut late = pair.world.plane.audit().writes_by(USERS[at])?;
    let is_late = |event: &AuditEvent| event.stage_timestamp > since;
    let is_ours =
        |event: &AuditEvent| ["nodes", "nodetrusts"].contains(&event.object_ref.resource.as_str());
    late.retain(|event| is_late(event) && is_ours(event) && event.response_status.code < 300);
    Ok(late)
}
