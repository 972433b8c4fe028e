//! Which pools have a trusted node just now, for the policy that warns whoever creates a pod that would wait
//! (`manifests/warnings.yaml`). A policy reads one object at a time, and not the status of every pool.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tracing::warn;

use crate::api::keys;
use crate::call::call;
use crate::controller::status::Tale;
use crate::domain::{Now, PoolName};
use crate::telemetry::Chain;

/// How often it is applied though nothing changed: somebody may have changed or deleted it. The API server
/// stores nothing for what is there already.
const AGAIN: Duration = Duration::from_secs(30);

/// Who writes it (`metadata.managedFields`).
const MANAGER: &str = "trustpool";

/// Writes the `ConfigMap` [`keys::POOLS`].
#[derive(Debug)]
pub struct Pools {
    api: Api<ConfigMap>,
    /// What was written last, and when (uptime).
    told: Option<(BTreeMap<String, String>, Duration)>,
}

impl Pools {
    /// Nothing is written yet.
    pub const fn new(api: Api<ConfigMap>) -> Self {
        Self { api, told: None }
    }

    /// Writes what `tales` tell, if it is news.
    pub async fn tell(&mut self, tales: &BTreeMap<PoolName, Tale>, now: Now) {
        let data = data(tales);
        let told = self.told.as_ref();
        if told.is_some_and(|(told, at)| *told == data && now.uptime < *at + AGAIN) {
            return;
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": keys::POOLS},
            "data": data,
        });
        let params = PatchParams::apply(MANAGER).force();
        match call(self.api.patch(keys::POOLS, &params, &Patch::Apply(object))).await {
            Ok(_) => self.told = Some((data, now.uptime)),
            // The next look tries again.
            Err(error) => {
                warn!(object = keys::POOLS, error = %Chain(&error), "ConfigMap could not be written");
            }
        }
    }
}

/// `true` for each pool with a trusted node, `false` for every other.
fn data(tales: &BTreeMap<PoolName, Tale>) -> BTreeMap<String, String> {
    let has_trusted = |tale: &Tale| (tale.nodes.trusted > 0).to_string();
    let entry = |(name, tale): (&PoolName, &Tale)| (name.to_string(), has_trusted(tale));
    tales.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pool_is_told_with_or_without_a_trusted_node() {
        let mut trusted = Tale::default();
        trusted.nodes.trusted = 3;
        let mut untrusted = Tale::default();
        untrusted.nodes.untrusted = 3;
        let tales = BTreeMap::from([("a".into(), trusted), ("b".into(), untrusted)]);

        let expected = [("a", "true"), ("b", "false")];
        let expected = expected.map(|(name, has)| (name.to_owned(), has.to_owned()));
        assert_eq!(data(&tales), BTreeMap::from(expected));
    }
}
