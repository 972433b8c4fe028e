//! How the process ends.

use std::time::Duration;

use prometheus_client::registry::Registry;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::*;
use crate::controller::fixture::server::Server;
use crate::controller::fixture::{at, entry, kept, node, objects, pool};
use crate::controller::recorder::CONCURRENCY;
use crate::controller::setup::setup;
use crate::domain::{NodeName, Reason, Verdict};
use crate::store::{self, Kept, Writer};
use crate::watch::Event;

/// A service and a pool of which nobody is asked about: there is no network in a unit test.
fn paused(clock: &Clock) -> Arc<Setup> {
    let mut objects = objects();
    let pool = pool("default", &json!({"paused": true}));
    let applied = Event::Applied(("default".to_owned(), pool));
    objects.pools.follow(applied);
    Arc::new(setup(&objects, &Setup::default(), clock))
}

/// Nodes that were rebooted since they were attested: that is to be recorded.
fn rebooted(names: &[String], server: &Server, clock: &Clock) -> (Writer, Reader) {
    let (writer, reader) = store::channel();
    let entries = names.iter().map(|name| {
        let before = kept(&node(name, "b"), Verdict::Trusted, Reason::Attested);
        let before = server.keep(name, &before.record);
        let entry = entry(Some(node(name, "c")), Some(Kept::clone(&before)));
        (NodeName::from(name.as_str()), entry)
    });
    writer.publish(entries.collect());
    writer.health().nodes.list(clock.now());
    writer.health().node_trusts.list(clock.now());
    (writer, reader)
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_recorded_is_written_before_the_process_ends() {
    let (server, clock) = (Server::default(), Clock::system());
    clock.shift(at(1).duration_since(clock.wall()));
    let names: Vec<_> = (0..3 * CONCURRENCY).map(|n| format!("n{n}")).collect();
    let (_writer, reader) = rebooted(&names, &server, &clock);
    let (_sender, setup) = watch::channel(paused(&clock));
    let stop = CancellationToken::new();
    let parts = Parts {
        client: server.client(),
        namespace: "trustpool-system".to_owned(),
        names: super::names(Vec::new(), "trustpool-system").unwrap(),
        policies: Arc::new([]),
        reader,
        setup,
        clock,
        listed: watch::Sender::new(true),
        metrics: Metrics::register(&mut Registry::default()),
    };
    let written = |name: &String| !server.written(name).is_empty();
    let story = async {
        while server.asked().is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
        assert!(!names.iter().any(written), "the first are under way");
    };
    let term = term::run(&parts, 1, stop.clone());

    let both = async { tokio::join!(term, story).0 };
    let ended = timeout(Duration::from_secs(3), both).await.unwrap();

    ended.unwrap();
    let left: Vec<_> = names.iter().filter(|name| !written(name)).collect();
    assert!(left.is_empty(), "not recorded: {left:?}");
}
