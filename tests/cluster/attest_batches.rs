//! Rounds: stages, batches published as they arrive, and one host that hangs.

use anyhow::ensure;
use jiff::SignedDuration;
use serde_json::json;
use trustpool::simulator::journal::Entry;
use trustpool_harness::{NodeBuilder, SOON, Setup, Slot, World, eventually};

use crate::support::{
    INTERVAL, all_become, all_labelled, hosts, impatient, is_seen, questions, requested_at,
};

/// How many nodes: a first batch of 10, and two of 20.
const NODES: usize = 50;

/// How late `n10` answers at first: 30 nodes must be labelled before, however slow the machine.
const LATE: &str = "10s";

/// `total` of [`impatient`] deadlines.
const TOTAL: SignedDuration = SignedDuration::from_secs(4);

fn names() -> Vec<String> {
    (0..NODES).map(|node| format!("n{node:02}")).collect()
}

/// 50 nodes that exist before Trustpool looks; `n10`, of the second batch, answers late.
async fn world(names: &[&str]) -> anyhow::Result<World> {
    let mut world = Setup::default().prepare().await?;
    for name in names {
        world.simulator.play(name, "trusted").await?;
    }
    world.simulator.play_slowly("n10", "trusted", LATE).await?;
    let nodes: Vec<NodeBuilder> = names.iter().copied().map(NodeBuilder::new).collect();
    world.nodes.create_all(&nodes).await?;
    world.run().await?;
    Ok(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_go_in_stages_and_one_hanging_host_costs_the_others_nothing() {
    let _slot = Slot::take().await.unwrap();
    let names = names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = world(&names).await.unwrap();

    the_first_batch_is_smaller_and_each_is_published_as_it_arrives(&world, &names)
        .await
        .unwrap();
    a_host_that_hangs_is_found_by_halves(&world, &names)
        .await
        .unwrap();
    a_host_that_fails_alone_pulls_no_round(&world)
        .await
        .unwrap();
}

async fn the_first_batch_is_smaller_and_each_is_published_as_it_arrives(
    world: &World,
    names: &[&str],
) -> anyhow::Result<()> {
    let (first, rest) = names.split_at(10);
    let (late, third) = rest.split_at(20);
    all_labelled(world, first, "trusted").await?;
    all_labelled(world, third, "trusted").await?;
    let unanswered = world.simulator.requests().await?;
    ensure!(unanswered.iter().any(|entry| entry.answered.is_none()));
    for name in late {
        ensure!(world.label(name).await?.is_none(), "{name} is labelled");
    }

    all_labelled(world, late, "trusted").await?;
    let asked = world.simulator.requests().await?;
    let mut batches: Vec<Vec<&str>> = asked.iter().map(hosts).collect();
    batches.sort();
    ensure!(batches == [first, late, third], "{batches:?}");
    Ok(())
}

/// Everyone else has a new verdict within two `timeouts.total` and what the machine needs, and the culprit
/// loses nothing. If halves did not have half the time each, it would be four.
async fn a_host_that_hangs_is_found_by_halves(world: &World, names: &[&str]) -> anyhow::Result<()> {
    let deadlines = json!({"spec": impatient()});
    world.change("ats", "oat", deadlines).await?;
    is_seen(world, "ats", "oat").await?;
    world.simulator.play("n10", "trusted").await?;
    world.simulator.play("n25", "hang").await?;
    let before = world.simulator.requests().await?.len();
    world.pass(INTERVAL);
    let started = world.clock.wall();
    eventually(SOON, "n25 is asked about alone", async || {
        let questions = questions(world, "n25").await?;
        ensure!(questions.iter().any(|entry| entry.hosts.len() == 1));
        Ok(())
    })
    .await?;
    for name in names.iter().filter(|name| **name != "n25") {
        eventually(SOON, &format!("{name} is attested again"), async || {
            let at = requested_at(world, name).await?;
            ensure!(
                at >= Some(started.round(jiff::Unit::Second)? - SignedDuration::from_secs(1)),
                "at {at:?}"
            );
            Ok(())
        })
        .await?;
    }
    let round = world.simulator.requests().await?.split_off(before);
    let last = round.iter().filter_map(|entry| entry.answered).max();
    let took = last.map(|last| last.duration_since(started));
    println!("49 of 50 had a verdict after {took:?}");
    ensure!(took <= Some(TOTAL * 3), "{took:?}");
    all_become(world, &["n25"], "trusted/Attested").await
}

async fn a_host_that_fails_alone_pulls_no_round(world: &World) -> anyhow::Result<()> {
    let alone = |entries: &[Entry]| entries.iter().filter(|it| hosts(it) == ["n25"]).count();
    let before = world.simulator.requests().await?;
    world.pass(SignedDuration::from_secs(65));
    eventually(SOON, "n25 is asked about again", async || {
        let now = world.simulator.requests().await?;
        ensure!(alone(&now) > alone(&before), "not yet");
        Ok(())
    })
    .await?;
    let now = world.simulator.requests().await?;
    let others = now.iter().skip(before.len());
    let others: Vec<_> = others
        .map(hosts)
        .filter(|hosts| hosts != &["n25"])
        .collect();
    ensure!(others.is_empty(), "{others:?}");
    Ok(())
}
