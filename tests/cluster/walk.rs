//! A random walk: everything that can happen to a cluster with Trustpool in it, in an order that follows from
//! a seed. Nothing is asserted on the way. In the end `trustpool-observer` reads the API server's audit log
//! and the service's journal, and none of our code, and says which invariant did not hold.
//!
//! ```text
//!   seed ─> plan ─> steps ─> walker ─┬─ tenant    pods, Bindings by hand
//!                                    ├─ machines  kubelets, and administrators at their Nodes
//!                                    ├─ roles     Trustpool: in this process or not, killed, frozen, cut off
//!                                    └─ pulse     whether the machine keeps up
//!                        audit log, journal ─────> judge
//! ```
//!
//! `TRUSTPOOL_SEED` repeats a walk, as far as its steps go; `TRUSTPOOL_WALK` sets how many there are.

pub mod chance;
mod judge;
mod machines;
mod plan;
pub mod pulse;
mod roles;
pub mod step;
pub mod tenant;
mod walker;

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use trustpool_harness::{SOON, Slot, eventually};
use trustpool_observer::{Invariant, Report};

use plan::Plan;
use step::{Place, Step};
use walker::Walker;

/// How many steps there are by default.
const STEPS: usize = 300;

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    let value = std::env::var_os(name)?;
    let value = value.to_str().and_then(|value| value.parse().ok());
    Some(value.unwrap_or_else(|| panic!("{name} is a whole number")))
}

/// The seed of this walk.
pub fn seed() -> u64 {
    number("TRUSTPOOL_SEED").unwrap_or_else(|| RandomState::new().hash_one(()))
}

#[tokio::test(flavor = "multi_thread")]
async fn invariants_1_2_3_and_5_hold_on_a_random_walk() {
    let steps = number("TRUSTPOOL_WALK").map_or(STEPS, |steps| usize::try_from(steps).unwrap());
    let seed = seed();
    let again = format!(
        "TRUSTPOOL_SEED={seed} TRUSTPOOL_WALK={steps} cargo test --test cluster random_walk"
    );
    println!("{steps} steps; repeat them with: {again}");
    let _slot = Slot::take().await.unwrap();
    let mut walker = Walker::new().await.unwrap();

    let walked = walk(&mut walker, seed, steps).await;
    let report = walker.judge().await.unwrap();

    let story = walker.story(&report);
    println!("{story}");
    if walked.is_err() || !report.violations.is_empty() {
        let kept = walker.keep(seed).await.unwrap();
        panic!(
            "{walked:?}\n{story}repeat with: {again}\nlogs are in {}",
            kept.display()
        );
    }
    saw_enough(&report, steps);
}

async fn walk(walker: &mut Walker, seed: u64, steps: usize) -> anyhow::Result<()> {
    for (step, pause) in Plan::new(seed).take(steps) {
        walker.take(step, pause).await?;
    }
    walker.calm().await
}

/// A walk in which nothing happened proves nothing.
fn saw_enough(report: &Report, steps: usize) {
    let counts = report.counts;
    let tenth = steps / 10;
    for (what, seen, wanted) in [
        ("binds", counts.binds, tenth / 3),
        ("grants", counts.grants, tenth / 2),
        ("plain pods", counts.plain_pods, tenth / 10),
        ("plain binds", counts.plain_binds, tenth / 10),
        ("kubelet writes", counts.kubelet_writes, tenth / 10),
    ] {
        assert!(seen > wanted, "{what}: {seen} of {wanted}, {counts:?}");
    }
    assert_eq!(counts.strays, 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_observer_sees_what_a_missing_bind_gate_lets_through() {
    let _slot = Slot::take().await.unwrap();
    let mut walker = Walker::new().await.unwrap();
    let leg = Step::Leg {
        controller: Place::Here,
        gate: Place::Here,
    };
    let bad = Step::Play {
        node: "a",
        verdict: "untrusted",
    };
    for step in [bad, leg] {
        walker.take(step, Duration::ZERO).await.unwrap();
    }
    walker.world.labelled("a", Some("untrusted")).await.unwrap();
    assert_eq!(walker.judge().await.unwrap().violations, []);

    let delete = [
        "delete",
        "validatingwebhookconfiguration",
        "bind.trustpool.dev",
    ];
    walker.world.plane.kubectl(&delete).await.unwrap();

    // The API server may go on asking for a moment.
    let mut tries = 0;
    let report = eventually(SOON, "the observer says something", async || {
        tries += 1;
        walker.bind_by_hand("strict", "a").await;
        let report = walker.judge().await?;
        anyhow::ensure!(
            !report.violations.is_empty(),
            "nothing after {tries} Bindings"
        );
        Ok(report)
    });
    let report = report.await.unwrap();
    let story = walker.story(&report);
    let violation = &report.violations[0];
    assert_eq!(violation.invariant, Invariant::Bound, "{story}");
    let (space, pod) = walker.tenant.last().unwrap();
    for words in [&format!("`{space}/{pod}`"), "node `a`", "`tenant`"] {
        assert!(violation.what.contains(words), "no {words} in {story}");
    }
}
