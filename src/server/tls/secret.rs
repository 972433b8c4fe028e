//! The certificate of the bind gate, from its Secret.

use std::pin::pin;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::WatchParams;
use kube::{Api, Client};

use crate::api::keys;
use crate::telemetry::Chain;
use crate::watch::{Event, Mirror, watch};

use super::Identity;

/// Watches the Secret [`keys::GATE_SECRET`] in `namespace` and shows what is in it, for ever. It is watched
/// by its name, so that whoever may see that Secret alone may watch it.
///
/// A Secret that is gone, or that holds nothing of use, takes nothing away.
pub async fn follow(client: Client, namespace: String, identity: Identity) {
    let api = Api::<Secret>::namespaced(client, &namespace);
    let params = WatchParams::default().fields(&format!("metadata.name={}", keys::GATE_SECRET));
    let mut events = pin!(watch("the Secret of the bind gate", api, params));
    let mut mirror = Mirror::default();
    while let Some(event) = events.next().await {
        let is_news = !matches!(event, Event::Alive | Event::Started);
        mirror.follow(event.map(|secret| ((), secret)));
        if is_news {
            take(mirror.get(&()), &namespace, &identity);
        }
    }
}

/// Shows what is in `secret`.
fn take(secret: Option<&Secret>, namespace: &str, identity: &Identity) {
    let name = keys::GATE_SECRET;
    let Some(secret) = secret else {
        return identity.fail(format!("there is no Secret `{namespace}/{name}`"));
    };
    let data = secret.data.as_ref();
    let value = |key| data.and_then(|data| data.get(key));
    let bytes = |key| value(key).map_or(&[][..], |ByteString(bytes)| bytes);
    let shown = identity.show(bytes(keys::TLS_CERTIFICATE), bytes(keys::TLS_KEY));
    if let Err(error) = shown {
        identity.fail(format!("Secret `{namespace}/{name}`: {}", Chain(&error)));
    }
}

#[cfg(test)]
mod tests;
