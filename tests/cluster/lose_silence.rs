//! A host whose attestation agent was stopped: the service answers, and has no verdict for it.

use anyhow::ensure;
use trustpool_harness::{SOON, Setup, Slot, eventually};

use crate::support::{INTERVAL, attested_again, filter_says, questions, status, trusted_nodes};

#[tokio::test(flavor = "multi_thread")]
async fn a_silenced_agent_costs_trust_after_two_rounds_in_which_others_have_verdicts() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    trusted_nodes(&world, &["a", "b", "c"]).await.unwrap();

    // While most are silent it is the service's fault, however often.
    for host in ["a", "b"] {
        world.simulator.play(host, "unknown").await.unwrap();
    }
    for _ in 0..3 {
        attested_again(&world, "c", INTERVAL).await.unwrap();
    }
    assert_eq!(world.verdict("a").await.unwrap(), "trusted/Attested");

    world.simulator.play("b", "trusted").await.unwrap();
    attested_again(&world, "b", INTERVAL).await.unwrap();
    eventually(SOON, "a first silence is counted", async || {
        let streak = status(&world, "a").await?.streak;
        ensure!(streak == 1, "{streak}");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(world.verdict("a").await.unwrap(), "trusted/Attested");
    attested_again(&world, "b", INTERVAL).await.unwrap();

    world.becomes("a", "unknown/HostSilent").await.unwrap();
    world.labelled("a", Some("unknown")).await.unwrap();
    let expired = "node(s) had an expired attestation";
    filter_says(&world, "a", expired).await.unwrap();
    assert!(world.taints("a").await.unwrap().is_empty());
    assert_eq!(world.verdict("b").await.unwrap(), "trusted/Attested");

    let asked = questions(&world, "a").await.unwrap().len();
    world.simulator.play("a", "trusted").await.unwrap();
    world.pass(INTERVAL);
    world.becomes("a", "trusted/Attested").await.unwrap();
    world.labelled("a", Some("trusted")).await.unwrap();
    assert_eq!(questions(&world, "a").await.unwrap().len(), asked + 1);
}
