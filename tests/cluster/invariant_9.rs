//! Invariant 9: a kubelet causes at most one question per `minInterval`, and never a pool's round.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::time::sleep;
use trustpool_harness::{Nodes, Readiness, Setup, Slot};

use crate::support::{filter_says, hosts, questions, steps, trusted_nodes, writes};

/// `minInterval` of the pool.
const SHORTEST: SignedDuration = SignedDuration::from_secs(2);

/// How much later than it was sent a question may arrive, which is when it is in the journal.
const TRAVEL: SignedDuration = SignedDuration::from_millis(200);

/// So often the kubelet flaps, and then rests.
const TURNS: usize = 6;

/// So many boots are a turn.
const BOOTS: usize = 4;

/// From one boot to the next.
const PACE: Duration = Duration::from_millis(60);

/// How long it rests: long enough for a question, since times in a record are whole seconds; with its
/// boots shorter than `minInterval`.
const REST: Duration = Duration::from_millis(1_400);

const OTHERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[tokio::test(flavor = "multi_thread")]
async fn invariant_9_a_flapping_kubelet_causes_one_question_per_min_interval_and_no_round() {
    let _slot = Slot::take().await.unwrap();
    let pool = json!({"refresh": {"minInterval": "2s"}});
    let world = Setup::default().pool(pool).start().await.unwrap();
    trusted_nodes(&world, &OTHERS).await.unwrap();
    trusted_nodes(&world, &["flaps"]).await.unwrap();
    let kubelet = world.plane.kubelet("flaps").unwrap();
    let kubelet = Nodes::new(kubelet.client().await.unwrap());
    let log = world.plane.audit().from_now().unwrap();

    let turns = steps(TURNS);
    let before = world.clock.wall();
    for boot in 1..=turns * BOOTS {
        kubelet
            .reboot("flaps", &format!("boot-{boot}"))
            .await
            .unwrap();
        let ready = [Readiness::True, Readiness::False][boot % 2];
        kubelet.set_ready("flaps", ready).await.unwrap();
        let rests = boot % BOOTS == 0;
        sleep(if rests { REST } else { PACE }).await;
    }
    let took = world.clock.wall().duration_since(before);

    let asked = questions(&world, "flaps").await.unwrap();
    let gaps = asked
        .windows(2)
        .map(|pair| pair[1].asked.duration_since(pair[0].asked));
    for gap in gaps {
        assert!(gap >= SHORTEST - TRAVEL, "asked again after {gap:?}");
    }
    let boots = turns * BOOTS;
    println!("{boots} boots, {} questions in {took:?}", asked.len());
    assert!(asked.len() > turns / 3, "nothing was tried");
    for other in OTHERS {
        let questions = questions(&world, other).await.unwrap();
        let asked: Vec<_> = questions.iter().map(|it| (it.asked, hosts(it))).collect();
        assert_eq!(asked.len(), 1, "{other} came along: {asked:?}");
    }
    let together: Vec<_> = asked
        .iter()
        .skip(1)
        .map(hosts)
        .filter(|it| it.len() > 1)
        .collect();
    assert!(together.is_empty(), "{together:?}");
    // Every boot is at most one record, and nobody else's.
    let records = writes(&log, "nodetrusts", "status").unwrap();
    assert!(
        records.len() <= boots + asked.len(),
        "{} records",
        records.len()
    );
    assert!(records.iter().all(|event| event.object_ref.name == "flaps"));

    // It comes to rest in its last boot, and is attested in it.
    kubelet.set_ready("flaps", Readiness::True).await.unwrap();
    filter_says(&world, "flaps", "").await.unwrap();
}
