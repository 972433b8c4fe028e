//! The task that watches what administrators configure: services, pools, and the Secrets and
//! ConfigMaps that services may use.

use futures::StreamExt;
use futures::stream::{BoxStream, select_all};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DynamicObject, WatchParams};
use kube::core::{ApiResource, NamespaceResourceScope};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch as channel;

use crate::api::{AttestationService, TrustPool, keys};
use crate::clock::Clock;
use crate::watch::{Event, Mirror, watch};

use super::setup::{Setup, setup};

/// Everything that is configured, as it is in the API server.
#[derive(Debug, Default)]
pub struct Objects {
    /// AttestationServices, by name; not decoded, since one that cannot be must not hide the others.
    pub services: Mirror<String, DynamicObject>,
    /// TrustPools, by name.
    pub pools: Mirror<String, DynamicObject>,
    /// Secrets of our namespace that name a service in their label.
    pub secrets: Mirror<String, Secret>,
    /// ConfigMaps likewise.
    pub config_maps: Mirror<String, ConfigMap>,
}

enum Seen {
    ConfigMap(Event<(String, ConfigMap)>),
    Pool(Event<(String, DynamicObject)>),
    Secret(Event<(String, Secret)>),
    Service(Event<(String, DynamicObject)>),
}

impl Objects {
    /// Says whether every watch has listed.
    #[must_use]
    pub const fn have_listed(&self) -> bool {
        self.services.has_listed()
            && self.pools.has_listed()
            && self.secrets.has_listed()
            && self.config_maps.has_listed()
    }

    /// Follows one event, and says whether anything changed.
    fn follow(&mut self, seen: Seen) -> bool {
        let listed = self.have_listed();
        let touched = match seen {
            Seen::ConfigMap(event) => self.config_maps.follow(event).len(),
            Seen::Pool(event) => self.pools.follow(event).len(),
            Seen::Secret(event) => self.secrets.follow(event).len(),
            Seen::Service(event) => self.services.follow(event).len(),
        };
        touched > 0 || listed != self.have_listed()
    }
}

/// Watches everything that is configured and publishes what it means, for ever.
pub async fn follow(
    client: Client,
    namespace: String,
    clock: Clock,
    sender: channel::Sender<std::sync::Arc<Setup>>,
) {
    let mut events = select_all(sources(&client, &namespace));
    let mut objects = Objects::default();
    while let Some(seen) = events.next().await {
        if objects.follow(seen) {
            sender.send_modify(|current| {
                *current = std::sync::Arc::new(setup(&objects, current, &clock));
            });
        }
    }
}

fn sources(client: &Client, namespace: &str) -> Vec<BoxStream<'static, Seen>> {
    vec![
        cluster::<AttestationService>("AttestationServices", client)
            .map(Seen::Service)
            .boxed(),
        cluster::<TrustPool>("TrustPools", client)
            .map(Seen::Pool)
            .boxed(),
        labelled::<Secret>("Secrets", client, namespace)
            .map(Seen::Secret)
            .boxed(),
        labelled::<ConfigMap>("ConfigMaps", client, namespace)
            .map(Seen::ConfigMap)
            .boxed(),
    ]
}

fn cluster<K: Resource<DynamicType = ()>>(
    what: &'static str,
    client: &Client,
) -> BoxStream<'static, Event<(String, DynamicObject)>> {
    let api = Api::all_with(client.clone(), &ApiResource::erase::<K>(&()));
    watch(what, api, WatchParams::default())
        .map(|event| event.map(named))
        .boxed()
}

fn labelled<K>(
    what: &'static str,
    client: &Client,
    namespace: &str,
) -> BoxStream<'static, Event<(String, K)>>
where
    K: Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Send
        + 'static,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let params = WatchParams::default().labels(keys::SERVICE);
    watch(what, api, params)
        .map(|event| event.map(named))
        .boxed()
}

fn named<K: ResourceExt>(object: K) -> (String, K) {
    (object.name_any(), object)
}
