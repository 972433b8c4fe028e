//! The task that writes what pools and services say of themselves, and sets the gauges: every other
//! second at most, and only what changed.

mod pools;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DynamicObject, PostParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, warn};

use crate::api::{AttestationService, TrustPool};
use crate::clock::Clock;
use crate::domain::breaker::Breaker;
use crate::domain::{Now, PoolName, ServiceName, Verdict};
use crate::store::Reader;
use crate::telemetry::Chain;

use super::attestor::Progress;
use super::events::{Events, Notice, reference};
use super::marker::breakers;
use super::metrics::{Metrics, OfPool, OfVerdict};
use super::setup::Setup;
use super::status::{self, Judge, Tale, tales};
use crate::call::call;

use pools::Pools;

/// From one look to the next.
const PACE: Duration = Duration::from_secs(2);

/// What the reporter is connected to.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// Nodes and NodeTrusts.
    pub reader: Reader,
    /// What is configured.
    pub setup: watch::Receiver<Arc<Setup>>,
    /// How rounds and services do.
    pub progress: watch::Receiver<Progress>,
    /// Where statuses of pools go.
    pub pools: Api<DynamicObject>,
    /// Where statuses of services go.
    pub services: Api<DynamicObject>,
    /// Where it goes which pools have a trusted node.
    pub config_maps: Api<ConfigMap>,
    /// Where Events go.
    pub events: Events,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
}

/// What was told at the last look.
#[derive(Debug)]
struct Told {
    /// Which pools have a trusted node.
    trusted: Pools,
    /// Pools that have gauges.
    pools: BTreeSet<String>,
    /// Pools whose breaker was open.
    open: BTreeSet<String>,
}

/// The interfaces to pools and services, undecoded.
#[must_use]
pub fn apis(client: &Client) -> (Api<DynamicObject>, Api<DynamicObject>) {
    let pools = Api::all_with(client.clone(), &ApiResource::erase::<TrustPool>(&()));
    let services = ApiResource::erase::<AttestationService>(&());
    (pools, Api::all_with(client.clone(), &services))
}

impl Reporter {
    /// Runs for ever.
    pub async fn run(self) {
        let mut told = Told {
            trusted: Pools::new(self.config_maps.clone()),
            pools: BTreeSet::new(),
            open: BTreeSet::new(),
        };
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            pace.tick().await;
            let now = self.clock.now();
            let setup = Arc::clone(&self.setup.borrow());
            if setup.complete && self.reader.ready(now).is_ok() {
                self.report(&setup, &mut told, now).await;
            }
        }
    }

    async fn report(&self, setup: &Setup, told: &mut Told, now: Now) {
        let snapshot = self.reader.snapshot();
        let progress = self.progress.borrow().clone();
        let breakers = breakers(&snapshot, setup);
        self.forget(setup, told);
        let tales = tales(&snapshot, setup);
        told.trusted.tell(&tales, now).await;
        for (name, state) in &setup.pool_states {
            let name_of = PoolName::from(name.as_str());
            let breaker = breakers.get(&name_of).copied().unwrap_or_default();
            let known = setup.pool(&name_of).zip(tales.get(&name_of));
            let known = known.map(|(pool, tale)| (&pool.pool, tale, breaker));
            if let Some((_, tale, breaker)) = known {
                self.set_gauges(name, tale, breaker, now);
                self.tell(name, &state.raw, breaker, told);
            }
            let judge = known.map(|(pool, ..)| Judge {
                trouble: state
                    .trouble
                    .clone()
                    .or_else(|| setup.trouble_with(&pool.service)),
                health: progress.services.get(&pool.service),
            });
            let round = progress.rounds.get(&name_of);
            let status = status::pool(state, known, round, judge.unwrap_or_default(), now.wall);
            write(&self.pools, &state.raw, &status).await;
        }
        for (name, state) in &setup.service_states {
            let health = progress.services.get(&ServiceName::from(name.as_str()));
            let status = status::service(state, health, now.wall);
            write(&self.services, &state.raw, &status).await;
        }
    }

    /// Tells of a breaker that opened or closed.
    fn tell(&self, pool: &str, raw: &DynamicObject, breaker: Breaker, told: &mut Told) {
        told.pools.insert(pool.to_owned());
        let changed = match breaker {
            Breaker::Open => told.open.insert(pool.to_owned()),
            Breaker::Closed => told.open.remove(pool),
        };
        if changed {
            warn!(pool, ?breaker, "breaker changed");
            let pool = Box::new(reference::<TrustPool>(pool, raw.metadata.uid.clone()));
            self.events.send(Notice::Breaker { pool, breaker });
        }
    }

    fn set_gauges(&self, pool: &str, tale: &Tale, breaker: Breaker, now: Now) {
        let Tale { nodes, oldest, .. } = tale;
        let by_verdict = [
            ("trusted", nodes.trusted),
            ("untrusted", nodes.untrusted),
            ("unknown", nodes.unknown),
        ];
        for (verdict, count) in by_verdict {
            let of = OfVerdict {
                pool: pool.to_owned(),
                verdict,
            };
            self.metrics.nodes.get_or_create(&of).set(i64::from(count));
        }
        let of = OfPool {
            pool: pool.to_owned(),
        };
        let age = oldest.map_or(0, |oldest| now.wall.duration_since(oldest).as_secs());
        self.metrics.oldest.get_or_create(&of).set(age);
        let open = i64::from(breaker == Breaker::Open);
        self.metrics.breaker_open.get_or_create(&of).set(open);
    }

    /// A pool that is gone has no gauges.
    fn forget(&self, setup: &Setup, told: &mut Told) {
        let exists = |pool: &String| setup.pool_states.contains_key(pool);
        told.open.retain(exists);
        let known = std::mem::take(&mut told.pools).into_iter();
        let (kept, gone): (BTreeSet<_>, BTreeSet<_>) = known.partition(exists);
        told.pools = kept;
        for pool in gone {
            for verdict in [Verdict::Trusted, Verdict::Untrusted, Verdict::Unknown] {
                let (pool, verdict) = (pool.clone(), verdict.as_str());
                self.metrics.nodes.remove(&OfVerdict { pool, verdict });
            }
            let of = OfPool { pool };
            self.metrics.oldest.remove(&of);
            self.metrics.breaker_open.remove(&of);
        }
    }
}

/// Writes `status` to the object of which `raw` was read, if it says something else.
async fn write<S: Serialize>(api: &Api<DynamicObject>, raw: &DynamicObject, status: &S) {
    let Some(object) = with_status(raw, status) else {
        return;
    };
    let name = object.metadata.name.clone().unwrap_or_default();
    match call(api.replace_status(&name, &PostParams::default(), &object)).await {
        Ok(_) => debug!(object = name, "status written"),
        // Somebody changed the object: the next look sees what it is now.
        Err(error) if error.is_of_another() => {}
        Err(error) => warn!(object = name, error = %Chain(&error), "status could not be written"),
    }
}

/// The object with `status`; nothing if it says that already.
fn with_status<S: Serialize>(raw: &DynamicObject, status: &S) -> Option<DynamicObject> {
    let status = serde_json::to_value(status).ok()?;
    if raw.data.get("status") == Some(&status) {
        return None;
    }
    let mut object = raw.clone();
    if let Value::Object(fields) = &mut object.data {
        fields.insert("status".to_owned(), status);
    }
    Some(object)
}
