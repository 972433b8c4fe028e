//! Nodes are attested, recorded and marked.

use trustpool_harness::{Setup, Slot};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_attested_recorded_and_marked() {
    let _slot = Slot::take().await.unwrap();
    let world = Setup::default().start().await.unwrap();
    world.node("good", "trusted").await.unwrap();
    world.node("bad", "untrusted").await.unwrap();
    world.node("stranger", "unknown").await.unwrap();

    world.becomes("good", "trusted/Attested").await.unwrap();
    world
        .becomes("bad", "untrusted/FailedAttestation")
        .await
        .unwrap();
    world
        .becomes("stranger", "unknown/NeverAttested")
        .await
        .unwrap();
    world.labelled("good", Some("trusted")).await.unwrap();
    world.labelled("bad", Some("untrusted")).await.unwrap();
    world.labelled("stranger", Some("unknown")).await.unwrap();

    assert_eq!(world.taints("good").await.unwrap(), Vec::<String>::new());
    assert_eq!(world.taints("bad").await.unwrap(), ["untrusted"]);
    assert_eq!(
        world.taints("stranger").await.unwrap(),
        Vec::<String>::new()
    );
}
