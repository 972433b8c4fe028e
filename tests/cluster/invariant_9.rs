//! Invariant 9: a kubelet causes at most one question per `minInterval`, and never a pool's round.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::time::{Instant, sleep};
use trustpool_harness::{Nodes, Readiness, Setup, Slot};

use crate::support::{filter_says, hosts, questions, trusted_nodes, writes};

/// `minInterval` of the pool.
const SHORTEST: SignedDuration = SignedDuration::from_secs(2);

/// How long the kubelet flaps.
const TIME: Duration = Duration::from_secs(9);

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

    let end = Instant::now() + TIME;
    let mut boots = 0;
    while Instant::now() < end {
        boots += 1;
        let boot = format!("boot-{boots}");
        kubelet.reboot("flaps", &boot).await.unwrap();
        let ready = [Readiness::False, Readiness::True][boots % 2];
        kubelet.set_ready("flaps", ready).await.unwrap();
        sleep(Duration::from_millis(60)).await;
    }

    let asked = questions(&world, "flaps").await.unwrap();
    let gaps = asked
        .windows(2)
        .map(|pair| pair[1].asked.duration_since(pair[0].asked));
    for gap in gaps {
        assert!(gap >= SHORTEST, "asked again after {gap:?}");
    }
    println!("{boots} boots, {} questions", asked.len());
    assert!(asked.len() <= 6, "{} questions", asked.len());
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
