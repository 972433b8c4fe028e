//! Whether the machine keeps up: how long it takes from a write until a watch shows it. Where that is long,
//! two seconds are no measure for anybody.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use trustpool::clock::Clock;
use trustpool_observer::Gaps;

/// What is written.
const NAME: &str = "pulse";

/// A pulse that takes longer is noted.
const SLOW: jiff::SignedDuration = jiff::SignedDuration::from_millis(600);

/// Between two pulses.
const PAUSE: Duration = Duration::from_millis(200);

/// A pulse that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(10);

type Stretches = Arc<Mutex<Vec<(Timestamp, Timestamp)>>>;

/// Pulses until it is dropped.
pub struct Pulse {
    slow: Stretches,
    _task: JoinSet<()>,
}

impl Pulse {
    /// Begins.
    pub async fn start(client: Client) -> anyhow::Result<Self> {
        let api: Api<ConfigMap> = Api::namespaced(client, "default");
        let object = serde_json::from_value(json!({"metadata": {"name": NAME}}))?;
        api.create(&PostParams::default(), &object).await?;
        let slow = Stretches::default();
        let mut task = JoinSet::new();
        task.spawn(pulse(api, Arc::clone(&slow)));
        Ok(Self { slow, _task: task })
    }

    /// Adds the stretches in which the machine did not keep up.
    pub fn add_to(&self, gaps: &mut Gaps) {
        for &(from, until) in self.slow.lock().unwrap().iter() {
            gaps.add(from, until);
        }
    }
}

async fn pulse(api: Api<ConfigMap>, slow: Stretches) {
    let real = Clock::system();
    loop {
        let since = real.wall();
        let ended = timeout(PATIENCE, beats(&api, &real, &slow)).await;
        // A watch that ended is nobody's fault; one that shows nothing is.
        if let Ok(Err(_)) | Err(_) = ended {
            slow.lock().unwrap().push((since, real.wall()));
        }
        // Who never waits is never dropped.
        sleep(PAUSE).await;
    }
}

/// Some beats on one watch.
async fn beats(api: &Api<ConfigMap>, real: &Clock, slow: &Stretches) -> anyhow::Result<()> {
    let version = api.get(NAME).await?.resource_version().unwrap_or_default();
    let params = WatchParams::default().fields("metadata.name=pulse");
    let mut events = api.watch(&params, &version).await?.boxed();
    for beat in 0..20 {
        let (from, beat) = (real.wall(), beat.to_string());
        let patch = Patch::Merge(json!({"data": {"beat": format!("{from} {beat}")}}));
        let written = api.patch(NAME, &PatchParams::default(), &patch).await?;
        loop {
            let event = events.next().await.context("the watch ended")??;
            match event {
                WatchEvent::Modified(seen) if seen.data == written.data => break,
                _ => {}
            }
        }
        let until = real.wall();
        if until.duration_since(from) > SLOW {
            slow.lock().unwrap().push((from, until));
        }
        sleep(PAUSE).await;
    }
    Ok(())
}
