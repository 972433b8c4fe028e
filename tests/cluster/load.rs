//! Pods without rest, at a pace, and how they fared. A machine that is slower than the pace slows the pace.

mod backlog;
mod delays;
mod failures;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use trustpool::api::keys;

use backlog::Backlog;
pub use delays::{Delays, Wait, waits};
pub use failures::Failures;

/// Requests of one kind that are open at a time.
const OPEN: usize = 64;

/// Pods of one kind that wait for their node at a time: five seconds of the fastest pace. With more of them binds
/// outlast the webhook's two seconds, are done again and again, and none ends.
const WAITING: usize = 250;

/// Pods of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What they are called, before a number.
    pub name: &'static str,
    /// Their namespace.
    pub space: &'static str,
    /// Whether they ask for trust.
    pub asks: bool,
    /// From one to the next.
    pub every: Duration,
}

impl Kind {
    /// One in so many `millis`.
    pub const fn new(name: &'static str, space: &'static str, asks: bool, millis: u64) -> Self {
        let every = Duration::from_millis(millis);
        Self {
            name,
            space,
            asks,
            every,
        }
    }

    fn pod(&self, number: usize) -> Value {
        let annotations = self.asks.then(|| json!({keys::REQUIRE: "trusted"}));
        json!({
            "metadata": {"name": format!("{}-{number}", self.name), "annotations": annotations},
            "spec": {"containers": [{"name": "main", "image": "none"}]},
        })
    }

    /// Says whether `pod` is one of them.
    fn is_of(&self, space: &str, pod: &str) -> bool {
        let number = pod
            .strip_prefix(self.name)
            .and_then(|rest| rest.strip_prefix('-'));
        space == self.space && number.is_some_and(|it| it.parse::<usize>().is_ok())
    }
}

/// Pods that are made until it ends.
pub struct Load {
    stop: CancellationToken,
    makers: JoinSet<anyhow::Result<Made>>,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    pub pods: usize,
    /// How often none was, since so many waited for a node.
    pub held: usize,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pods, held } = self;
        write!(f, "{pods} pods, and {held} held back")
    }
}

impl Load {
    /// Begins to make pods of these kinds, and keeps the last `most` of each.
    pub fn start(client: &Client, kinds: &[Kind], most: usize) -> Self {
        let stop = CancellationToken::new();
        let backlog = Arc::new(Backlog::start(client.clone()));
        let mut makers = JoinSet::new();
        for &kind in kinds {
            let maker = Maker {
                kind,
                pods: Api::namespaced(client.clone(), kind.space),
                most,
                backlog: Arc::clone(&backlog),
                old: VecDeque::new(),
                made: Made::default(),
            };
            makers.spawn(maker.run(stop.clone()));
        }
        Self { stop, makers }
    }

    /// Ends it.
    pub async fn end(mut self) -> anyhow::Result<Made> {
        self.stop.cancel();
        let mut all = Made::default();
        while let Some(of_one) = self.makers.join_next().await {
            let Made { pods, held } = of_one??;
            all.pods += pods;
            all.held += held;
        }
        Ok(all)
    }
}

/// Makes pods of one kind.
struct Maker {
    kind: Kind,
    pods: Api<Pod>,
    most: usize,
    backlog: Arc<Backlog>,
    old: VecDeque<String>,
    made: Made,
}

impl Maker {
    async fn run(mut self, stop: CancellationToken) -> anyhow::Result<Made> {
        let (mut ticks, mut open) = (interval(self.kind.every), JoinSet::new());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if self.backlog.of(&self.kind) >= WAITING {
                self.made.held += 1;
                continue;
            }
            while open.len() >= OPEN {
                settle(open.join_next().await)?;
            }
            while let Some(ended) = open.try_join_next() {
                settle(Some(ended))?;
            }
            open.spawn(self.next());
        }
        while let Some(ended) = open.join_next().await {
            settle(Some(ended))?;
        }
        Ok(self.made)
    }

    /// Makes one more, and takes away the oldest if they are too many.
    fn next(&mut self) -> impl Future<Output = anyhow::Result<()>> + use<> {
        let number = self.made.pods;
        self.made.pods += 1;
        self.old.push_back(format!("{}-{number}", self.kind.name));
        let gone = (self.old.len() > self.most).then(|| self.old.pop_front());
        one(self.pods.clone(), self.kind.pod(number), gone.flatten())
    }
}

async fn one(pods: Api<Pod>, pod: Value, gone: Option<String>) -> anyhow::Result<()> {
    let pod = serde_json::from_value(pod)?;
    pods.create(&PostParams::default(), &pod).await?;
    if let Some(gone) = gone {
        let at_once = DeleteParams::default().grace_period(0);
        pods.delete(&gone, &at_once).await?;
    }
    Ok(())
}

fn settle(ended: Option<Result<anyhow::Result<()>, tokio::task::JoinError>>) -> anyhow::Result<()> {
    ended.map_or(Ok(()), |ended| ended?)
}
