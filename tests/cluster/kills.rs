//! Random kills: any replica of Trustpool, at any time, while pods are placed and verdicts change. Nothing is asserted
//! on the way. In the end `trustpool-observer` reads the API server's audit log and the service's journal, and says
//! which invariant did not hold.
//!
//! ```text
//!   seed ─> plan ─> deeds ─> fleet ── two controllers, three gates on the same ports, nodes, a tenant
//!                    load ─> pods that ask and pods that do not, strict and plain
//!        audit log, journal ─────> judge
//! ```
//!
//! `TRUSTPOOL_SEED` repeats what is done and when; `TRUSTPOOL_KILLS` sets how many kills there are.

mod burst;
mod fleet;
mod judge;
mod plan;

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;
use trustpool_harness::{AuditEvent, SOON, Slot, eventually};
use trustpool_observer::Report;

use crate::load::{Delays, Failures, Kind, Load, Wait, waits};
use crate::walk::{number, seed};

use burst::Bursts;
use fleet::Fleet;
use plan::{NEVER, plan};

/// How many kills there are by default.
const KILLS: usize = 20;

/// How long it is quiet before; and how long before that, so that everybody is warm.
const QUIET: Duration = Duration::from_secs(15);
const WARM: Duration = Duration::from_secs(3);

/// How many times as long pods that do not ask should wait at most, in the p99.
const GOAL: f64 = 2.0;

/// Time fails nothing here, so this is beyond what a busy machine does.
const ABSURD: Duration = Duration::from_secs(30);

/// How many pods of a kind there are at a time.
const MOST: usize = 200;

/// About the first, nothing of Trustpool is asked.
const KINDS: [Kind; 4] = [
    Kind::new("plain", "plain", false, 100),
    Kind::new("silent", "strict", false, 200),
    Kind::new("asks", "strict", true, 200),
    Kind::new("asks-freely", "plain", true, 200),
];

/// When it was quiet, and when not.
struct Times {
    quiet: Timestamp,
    began: Timestamp,
    ended: Timestamp,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_pod_is_placed_wrongly_while_replicas_are_killed_at_random() {
    let kills = number("TRUSTPOOL_KILLS").map_or(KILLS, |it| usize::try_from(it).unwrap());
    let seed = seed();
    let again = format!(
        "TRUSTPOOL_SEED={seed} TRUSTPOOL_KILLS={kills} cargo test --test cluster killed_at_random"
    );
    println!("{kills} kills; repeat them with: {again}");
    let _slot = Slot::take().await.unwrap();
    let mut fleet = Fleet::start().await.unwrap();

    let ran = run(&mut fleet, seed, kills).await;

    let events = fleet.world.plane.audit().events().unwrap();
    let report = fleet.judge(&events).await.unwrap();
    let story = story(&fleet, &events, &report).await.unwrap();
    if ran.is_err() || !report.violations.is_empty() {
        let kept = fleet.keep(seed).await.unwrap();
        let ran = ran.map(drop);
        panic!(
            "{ran:?}\n{story}\nrepeat with: {again}\nlogs are in {}",
            kept.display()
        );
    }
    println!("{story}");
    delays(&events, &ran.unwrap());
    saw_enough(&fleet, &report, kills);
}

/// Kills, and waits until all is well again.
async fn run(fleet: &mut Fleet, seed: u64, kills: usize) -> anyhow::Result<Times> {
    let load = Load::start(&fleet.world.client, &KINDS, MOST);
    sleep(WARM).await;
    let quiet = fleet.now();
    sleep(QUIET).await;
    let began = fleet.now();
    fleet.run(plan(seed, kills)).await?;
    let ended = fleet.now();
    load.end().await?;
    all_are_placed(fleet).await?;
    Ok(Times {
        quiet,
        began,
        ended,
    })
}

/// Whatever happened to it, a pod finds its node; and none that asks one that was never trusted.
async fn all_are_placed(fleet: &Fleet) -> anyhow::Result<()> {
    eventually(SOON, "every pod is placed", async || {
        let placed = fleet.placed().await?;
        // A tenant's own, which he bound by hand, are looked for by nobody.
        let ours = placed.iter().filter(|(name, _)| !name.starts_with("pod-"));
        for (name, node) in ours {
            let node = node.as_ref().with_context(|| format!("{name} is not"))?;
            let may = !name.starts_with("asks") || !NEVER.contains(&node.as_str());
            ensure!(may, "{name} is on {node}");
        }
        Ok(())
    })
    .await
}

/// What happened, for a person.
async fn story(fleet: &Fleet, events: &[AuditEvent], report: &Report) -> anyhow::Result<String> {
    let mut story = String::new();
    for violation in &report.violations {
        writeln!(story, "{violation}")?;
    }
    let gaps = fleet.without_leader(events);
    let lengths = gaps.iter().map(|(from, until)| until.duration_since(*from));
    let longest = lengths.max().unwrap_or(SignedDuration::ZERO);
    let (kills, leaders) = (fleet.deaths.len(), gaps.len());
    let at = fleet.world.addresses.extender.to_string();
    let failures = Failures::read(&fleet.world.client, events, &at).await?;
    writeln!(
        story,
        "{kills} kills, {leaders} of them of a leader: nobody led for {:.1} s at the longest",
        longest.as_secs_f64()
    )?;
    write!(story, "{:?}; {failures}", report.counts)?;
    Ok(story)
}

/// Says how long pods waited, and by how much longer than in the quiet those that do not ask: all of them, and those
/// that waited beside no [`Bursts`].
fn delays(events: &[AuditEvent], times: &Times) {
    let waits = KINDS.map(|kind| waits(events, &kind));
    let those_that_ask = KINDS.iter().zip(&waits).filter(|(kind, _)| kind.asks);
    let bursts = Bursts::of(those_that_ask.flat_map(|(_, waits)| waits.clone()));
    println!(
        "in {} seconds many were bound that had waited",
        bursts.count()
    );
    for (kind, waits) in KINDS.iter().zip(&waits) {
        let calm = waits.iter().copied().filter(|it| !bursts.touch(it));
        delays_of(kind, [waits, &calm.collect()], times);
    }
}

/// `waits` are all of a kind, and those beside no burst.
fn delays_of(kind: &Kind, waits: [&Vec<Wait>; 2], times: &Times) {
    let [before, _] = waits.map(|it| Delays::of(it, (times.quiet, times.began)));
    let during = waits.map(|it| Delays::of(it, (times.began, times.ended)));
    println!("`{}`, quiet: {before}", kind.name);
    for (which, during) in ["kills", "kills, beside no such second"].iter().zip(during) {
        println!("`{}`, {which}: {during}", kind.name);
        if !kind.asks {
            assert!(during.quantile(99) < ABSURD, "{during}");
            let ratio = during.quantile(99).as_secs_f64() / before.quantile(99).as_secs_f64();
            let goal = if ratio <= GOAL { "met" } else { "missed" };
            println!("    p99 times {ratio:.1}, goal {GOAL} {goal}");
        }
    }
}

/// A run in which nothing happened proves nothing.
fn saw_enough(fleet: &Fleet, report: &Report, kills: usize) {
    let counts = report.counts;
    assert_eq!(fleet.deaths.len(), kills);
    for (what, seen, wanted) in [
        ("binds", counts.binds, 2 * kills),
        ("grants", counts.grants, kills / 4),
        ("plain pods", counts.plain_pods, 4 * kills),
        ("plain binds", counts.plain_binds, 4 * kills),
    ] {
        assert!(seen > wanted, "{what}: {seen} of {wanted}, {counts:?}");
    }
    assert_eq!(counts.strays, 0, "{counts:?}");
}
