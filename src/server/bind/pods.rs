//! What a pod asks, learnt from the API server, since a Binding does not tell.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ObjectMeta;
use kube::{Api, Client, Resource};
use moka::sync::Cache;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::api::keys;
use crate::domain::Requirement;
use crate::domain::requirement::Words;

use super::review::Subject;

/// Pods that are remembered: those that ask, and were refused a node or wait to be bound.
const MOST: u64 = 20_000;

/// How long one is remembered: what a pod asks does not change as long as it lives.
const MEMORY: Duration = Duration::from_mins(10);

/// How long the API server may take. It gives the whole review 2 s.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// Questions to the API server at a time.
const AT_ONCE: usize = 32;

/// The longest name of a pod or namespace.
const LONGEST_NAME: usize = 253;

/// Why it is not known what a pod asks.
#[derive(Debug, Error)]
pub enum Unlearnt {
    /// The API server did not answer, or refused.
    #[error("the API server could not be asked about it")]
    Failed(#[source] Arc<kube::Error>),
    /// There is no such pod.
    #[error("there is no such pod")]
    Missing,
    /// The Binding does not say which pod of that name it means.
    #[error("the Binding has no metadata.uid, so it could be another pod of that name")]
    NoUid,
    /// No pod can have such a name.
    #[error("no pod can be named so")]
    NotAName,
    /// The pod of that name is another one.
    #[error("the pod of that name is another one: the UID differs")]
    OtherUid,
    /// No answer in time.
    #[error("the API server did not say in time what it asks")]
    Slow,
}

impl Unlearnt {
    /// The word that metrics show.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Failed(_) | Self::Slow => "pod_not_readable",
            Self::Missing | Self::NotAName => "no_such_pod",
            Self::NoUid => "no_uid",
            Self::OtherUid => "other_pod",
        }
    }
}

/// The few fields of a pod that are read.
#[derive(Clone, Debug, Default, Deserialize, Resource)]
#[resource(inherit = Pod)]
pub struct Asks {
    #[serde(default, deserialize_with = "metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    node_selector: Option<BTreeMap<String, String>>,
    #[serde(default)]
    scheduling_gates: Option<Vec<IgnoredAny>>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    uid: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

/// Nothing else: a tenant may write into the metadata of a pod what no type here holds. And of the maps, our
/// keys alone.
fn metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let read = Metadata::deserialize(deserializer)?;
    let ours = |map: Option<BTreeMap<String, String>>| {
        let mut map = map.unwrap_or_default();
        map.retain(|key, _| key == keys::REQUIRE || key == keys::REQUIRE_POOL);
        Some(map)
    };
    Ok(ObjectMeta {
        uid: read.uid,
        annotations: ours(read.annotations),
        labels: ours(read.labels),
        ..ObjectMeta::default()
    })
}

impl Asks {
    /// Says whether what the pod says can change no more.
    fn is_settled(&self) -> bool {
        self.spec
            .scheduling_gates
            .as_ref()
            .is_none_or(Vec::is_empty)
    }

    /// What the pod says.
    #[must_use]
    pub fn words(&self) -> Words<'_> {
        let metadata = &self.metadata;
        let annotation = |key| value(metadata.annotations.as_ref(), key);
        let label = |key| value(metadata.labels.as_ref(), key);
        let selector = |key| value(self.spec.node_selector.as_ref(), key);
        Words {
            annotation: annotation(keys::REQUIRE),
            annotation_pool: annotation(keys::REQUIRE_POOL),
            label: label(keys::REQUIRE),
            label_pool: label(keys::REQUIRE_POOL),
            selector: selector(keys::TRUST),
            selector_pool: selector(keys::POOL),
        }
    }
}

fn value<'a>(map: Option<&'a BTreeMap<String, String>>, key: &str) -> Option<&'a str> {
    map?.get(key).map(String::as_str)
}

/// Asks the API server about pods, and remembers by UID those that ask for trust.
///
/// Nothing else is ever remembered: a wrong "asks" could hold up a pod, a wrong "does not ask" could place one. Nor
/// is one that has scheduling gates: so long, its nodeSelector may still be given a pool.
/// Only what the API server said about that UID gets in.
pub struct Pods {
    client: Client,
    asking: Cache<String, Arc<Asks>>,
    places: Semaphore,
}

impl fmt::Debug for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pods").finish_non_exhaustive()
    }
}

impl Pods {
    /// Asks through `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let asking = Cache::builder()
            .max_capacity(MOST)
            .time_to_live(MEMORY)
            .build();
        Self {
            client,
            asking,
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// What the pod of `subject` says.
    ///
    /// # Errors
    ///
    /// It cannot be learnt.
    pub async fn learn(&self, subject: &Subject) -> Result<Arc<Asks>, Unlearnt> {
        if subject.uid.is_empty() {
            return Err(Unlearnt::NoUid);
        }
        if let Some(known) = self.asking.get(&subject.uid) {
            return Ok(known);
        }
        let asks = timeout(DEADLINE, self.ask(subject))
            .await
            .map_err(|_| Unlearnt::Slow)??;
        if asks.metadata.uid.as_deref() != Some(&subject.uid) {
            return Err(Unlearnt::OtherUid);
        }
        let asks = Arc::new(asks);
        if asks.is_settled() && Requirement::read(&asks.words()) != Requirement::Nothing {
            self.asking.insert(subject.uid.clone(), Arc::clone(&asks));
        }
        Ok(asks)
    }

    async fn ask(&self, subject: &Subject) -> Result<Asks, Unlearnt> {
        if !is_name(&subject.namespace) || !is_name(&subject.pod) {
            return Err(Unlearnt::NotAName);
        }
        // Nobody closes it.
        let _place = self.places.acquire().await.map_err(|_| Unlearnt::Slow)?;
        let api = Api::<Asks>::namespaced(self.client.clone(), &subject.namespace);
        match api.get_opt(&subject.pod).await {
            Ok(Some(asks)) => Ok(asks),
            Ok(None) => Err(Unlearnt::Missing),
            Err(error) => Err(Unlearnt::Failed(Arc::new(error))),
        }
    }
}

/// Says whether `name` can stand in the path of a request and mean nothing but a name.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c != '.')
        && name.chars().all(plain)
}
