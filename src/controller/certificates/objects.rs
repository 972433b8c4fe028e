//! The three objects, as their watches show them, and what they mean.

use std::fmt::Debug;

use futures::stream::{BoxStream, select_all};
use futures::{Stream, StreamExt};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::api::core::v1::Secret;
use kube::api::WatchParams;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::api::keys;
use crate::certificates::{Memory, Published, State, Stored};
use crate::domain::Now;
use crate::watch::{Event, Mirror, watch};

/// What the watches have shown so far, each of one object. Not `Debug`: there are keys in it.
#[derive(Default)]
pub struct Objects {
    authority: Mirror<(), Secret>,
    gate: Mirror<(), Secret>,
    webhook: Mirror<(), ValidatingWebhookConfiguration>,
    memory: Memory,
}

/// What one of the watches shows.
pub enum Seen {
    /// Of the CA's Secret.
    Authority(Event<((), Secret)>),
    /// Of the gate's Secret.
    Gate(Event<((), Secret)>),
    /// Of the webhook configuration.
    Webhook(Event<((), ValidatingWebhookConfiguration)>),
}

/// Watches the three objects, each by its name: RBAC then lets a watch of one object through.
pub fn events(
    secrets: &Api<Secret>,
    webhooks: &Api<ValidatingWebhookConfiguration>,
) -> BoxStream<'static, Seen> {
    let authority = named("the Secret of the CA", secrets, keys::CA_SECRET).map(Seen::Authority);
    let gate = named("the Secret of the bind gate", secrets, keys::GATE_SECRET).map(Seen::Gate);
    let webhook =
        named("the webhook configuration", webhooks, keys::BIND_WEBHOOK).map(Seen::Webhook);
    select_all([authority.boxed(), gate.boxed(), webhook.boxed()]).boxed()
}

fn named<K>(
    what: &'static str,
    api: &Api<K>,
    name: &str,
) -> impl Stream<Item = Event<((), K)>> + use<K>
where
    K: Clone + Debug + DeserializeOwned + Resource + Send + 'static,
{
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let events = watch(what, api.clone(), params);
    events.map(|event| event.map(|object| ((), object)))
}

impl Objects {
    /// Follows what one of the watches shows.
    pub fn follow(&mut self, seen: Seen) {
        match seen {
            Seen::Authority(event) => drop(self.authority.follow(event)),
            Seen::Gate(event) => drop(self.gate.follow(event)),
            Seen::Webhook(event) => drop(self.webhook.follow(event)),
        }
    }

    /// What the objects mean.
    pub fn state(&mut self, now: Now) -> State {
        let published = published(self.webhook.get(&()));
        State::read(
            self.authority.get(&()).map(stored).as_ref(),
            self.gate.get(&()).map(stored).as_ref(),
            published,
            &mut self.memory,
            now,
        )
    }

    /// Says whether every watch has listed.
    pub const fn have_listed(&self) -> bool {
        self.authority.has_listed() && self.gate.has_listed() && self.webhook.has_listed()
    }

    /// The CA's Secret.
    pub fn authority(&self) -> Option<&Secret> {
        self.authority.get(&())
    }

    /// The gate's Secret.
    pub fn gate(&self) -> Option<&Secret> {
        self.gate.get(&())
    }

    /// The webhook configuration.
    pub fn webhook(&self) -> Option<&ValidatingWebhookConfiguration> {
        self.webhook.get(&())
    }
}

fn stored(secret: &Secret) -> Stored<'_> {
    let data = secret.data.as_ref();
    let value = |key| data.and_then(|data| data.get(key));
    let bytes = |key| value(key).map_or(&[][..], |ByteString(bytes)| bytes);
    Stored {
        certificate: bytes(keys::TLS_CERTIFICATE),
        key: bytes(keys::TLS_KEY),
        authorities: bytes(keys::TLS_AUTHORITIES),
    }
}

fn published(configuration: Option<&ValidatingWebhookConfiguration>) -> Published {
    let Some(configuration) = configuration else {
        return Published::Absent;
    };
    let annotation = configuration.annotations().get(keys::CA_BUNDLE);
    if annotation.is_some_and(|value| value == keys::CA_BUNDLE_GIVEN) {
        return Published::Given;
    }
    let webhooks = configuration.webhooks.as_deref().unwrap_or_default();
    if webhooks.is_empty() {
        return Published::Absent;
    }
    Published::Ours(webhooks.iter().map(bundle).collect())
}

fn bundle(webhook: &ValidatingWebhook) -> Vec<u8> {
    let bundle = webhook.client_config.ca_bundle.as_ref();
    bundle.map_or_else(Vec::new, |ByteString(bundle)| bundle.clone())
}
