//! Pods without rest, at a pace; and how long each waited for its node, as the API server's audit log has it: nobody
//! has to look while it happens.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use trustpool::api::keys;
use trustpool_harness::AuditEvent;

/// Requests of one kind that are open at a time; a machine that is slower than the pace slows the pace.
const OPEN: usize = 64;

/// What the API server says when a webhook could not be asked.
const NOT_ASKED: &str = "failed calling webhook";

/// What they say where nobody answered in time.
const LATE: [&str; 4] = [
    "Client.Timeout",
    "deadline exceeded",
    "handshake timeout",
    "i/o timeout",
];

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
    makers: JoinSet<anyhow::Result<usize>>,
}

impl Load {
    /// Begins to make pods of these kinds, and keeps the last `most` of each.
    pub fn start(client: &Client, kinds: &[Kind], most: usize) -> Self {
        let stop = CancellationToken::new();
        let mut makers = JoinSet::new();
        for &kind in kinds {
            let pods = Api::namespaced(client.clone(), kind.space);
            makers.spawn(make(kind, pods, most, stop.clone()));
        }
        Self { stop, makers }
    }

    /// Ends it, and says how many there were.
    pub async fn end(mut self) -> anyhow::Result<usize> {
        self.stop.cancel();
        let mut made = 0;
        while let Some(of_one) = self.makers.join_next().await {
            made += of_one??;
        }
        Ok(made)
    }
}

async fn make(
    kind: Kind,
    pods: Api<Pod>,
    most: usize,
    stop: CancellationToken,
) -> anyhow::Result<usize> {
    let (mut ticks, mut made) = (interval(kind.every), 0);
    let (mut open, mut old) = (JoinSet::new(), VecDeque::new());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = ticks.tick() => {}
        }
        while open.len() >= OPEN {
            settle(open.join_next().await)?;
        }
        while let Some(ended) = open.try_join_next() {
            settle(Some(ended))?;
        }
        let pod = kind.pod(made);
        old.push_back(format!("{}-{made}", kind.name));
        made += 1;
        let gone = if old.len() > most {
            old.pop_front()
        } else {
            None
        };
        open.spawn(one(pods.clone(), pod, gone));
    }
    while let Some(ended) = open.join_next().await {
        settle(Some(ended))?;
    }
    Ok(made)
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

/// When a pod was made, and when it was bound.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    pub made: Timestamp,
    /// Not at all, as far as is known.
    pub bound: Option<Timestamp>,
}

/// Every pod of a kind, in no order.
pub fn waits(events: &[AuditEvent], kind: &Kind) -> Vec<Wait> {
    let mut waits = BTreeMap::new();
    let good = |event: &&AuditEvent| {
        let of = &event.object_ref;
        let taken = event.verb == "create" && event.response_status.code < 300;
        taken && event.is_write() && kind.is_of(&of.namespace, &of.name)
    };
    let those = || events.iter().filter(good);
    for event in those().filter(|event| event.is_for("pods", "")) {
        let made = event.request_received_timestamp;
        let wait = Wait { made, bound: None };
        waits.insert(event.object_ref.name.as_str(), wait);
    }
    for event in those().filter(|event| event.is_for("pods", "binding")) {
        if let Some(wait) = waits.get_mut(event.object_ref.name.as_str()) {
            wait.bound.get_or_insert(event.stage_timestamp);
        }
    }
    waits.into_values().collect()
}

/// How long pods waited, shortest first.
#[derive(Debug)]
pub struct Delays(Vec<Duration>);

impl Delays {
    /// Of those that were made from then until then, and were bound.
    pub fn of(waits: &[Wait], (from, until): (Timestamp, Timestamp)) -> Self {
        let made = waits
            .iter()
            .filter(|wait| (from..until).contains(&wait.made));
        let took = made.filter_map(|wait| {
            let took = wait.bound?.duration_since(wait.made);
            Some(took.unsigned_abs())
        });
        let mut delays: Vec<Duration> = took.collect();
        delays.sort_unstable();
        Self(delays)
    }

    /// What so many hundredths did not exceed.
    pub fn quantile(&self, hundredths: usize) -> Duration {
        let rank = (self.0.len() * hundredths).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// What none exceeded.
    pub fn longest(&self) -> Duration {
        self.quantile(100)
    }

    /// How many took longer.
    pub fn over(&self, limit: Duration) -> usize {
        self.0.iter().filter(|&&took| took > limit).count()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, most, longest] = [50, 99, 100].map(|it| self.quantile(it).as_secs_f64());
        let count = self.count();
        write!(
            f,
            "{count} pods: median {median:.3} s, p99 {most:.3} s, longest {longest:.3} s"
        )
    }
}

/// What others could not ask Trustpool, in their own words.
pub struct Failures {
    /// kube-scheduler the extender.
    pub filter: Vec<String>,
    /// The API server the bind gate.
    pub bind: Vec<String>,
}

impl Failures {
    /// All so far. `extender` is what its URL holds, and nothing else's.
    pub async fn read(
        client: &Client,
        events: &[AuditEvent],
        extender: &str,
    ) -> anyhow::Result<Self> {
        let told: Api<Event> = Api::all(client.clone());
        let told = told.list(&ListParams::default()).await?;
        let messages = told.items.into_iter().filter_map(|event| event.message);
        let refused = events
            .iter()
            .filter(|event| event.is_for("pods", "binding"));
        let refused = refused.map(|event| event.response_status.message.clone());
        Ok(Self {
            filter: messages.filter(|it| it.contains(extender)).collect(),
            bind: refused.filter(|it| it.contains(NOT_ASKED)).collect(),
        })
    }
}

impl Failures {
    /// Those that no machine is too slow for: nobody answered, or only half.
    pub fn outright(&self) -> Vec<&String> {
        let is_late = |why: &&String| LATE.iter().any(|late| why.contains(late));
        let all = self.filter.iter().chain(&self.bind);
        all.filter(|why| !is_late(why)).collect()
    }

    /// How many there are.
    pub const fn count(&self) -> usize {
        self.filter.len() + self.bind.len()
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (filter, bind) = (self.filter.len(), self.bind.len());
        write!(
            f,
            "{filter} requests of kube-scheduler failed, and {bind} of the API server"
        )?;
        let mut counts = BTreeMap::<&str, usize>::new();
        for why in self.filter.iter().chain(&self.bind) {
            *counts.entry(why).or_default() += 1;
        }
        counts
            .iter()
            .try_for_each(|(why, count)| write!(f, "\n{count} times: {why}"))
    }
}

#[test]
fn delays_are_told_by_rank() {
    let at = |millis| Timestamp::from_millisecond(millis).unwrap();
    let wait = |made, bound| Wait {
        made: at(made),
        bound: Some(at(bound)),
    };
    let mut waits: Vec<Wait> = (0..100).map(|it| wait(it, it + 10 * (it + 1))).collect();
    waits.push(wait(5_000, 99_000));
    waits.push(Wait {
        made: at(1),
        bound: None,
    });

    let delays = Delays::of(&waits, (at(0), at(5_000)));

    assert_eq!(delays.count(), 100);
    let of = Duration::from_millis;
    assert_eq!(delays.quantile(99), of(990));
    assert_eq!((delays.longest(), delays.over(of(980))), (of(1_000), 2));
}
