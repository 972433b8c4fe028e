//! From an `AttestationService`, and what it may use of our namespace, to a provider.

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::attestation_service::{Auth, CaKind, CaRef};
use crate::api::{AttestationService, Connection, keys};
use crate::clock::Clock;
use crate::domain::Service;
use crate::provider::Provider;
use crate::provider::openattestation::{self, Config, OpenAttestation, Secret, Timeouts};

use super::super::objects::Objects;
use super::{ServiceSetup, Trouble};

/// What a provider is made from. While it does not change, the provider is kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inputs {
    connection: Connection,
    /// Versions of the objects that hold CA and secret.
    versions: [Option<String>; 2],
}

/// Makes a service from its object.
pub(super) fn build(
    object: &AttestationService,
    objects: &Objects,
    known: Option<&ServiceSetup>,
    clock: &Clock,
) -> Result<ServiceSetup, Trouble> {
    let connection = Connection::try_from(object)?;
    let service = Service::try_from(object)?;
    let inputs = Inputs {
        versions: versions(&connection, objects),
        connection,
    };
    let kept = known.filter(|known| known.inputs == inputs && known.provider.is_ok());
    let provider = match kept {
        Some(known) => known.provider.clone(),
        None => provider(&inputs.connection, objects, clock),
    };
    Ok(ServiceSetup {
        service,
        provider,
        inputs,
    })
}

fn versions(connection: &Connection, objects: &Objects) -> [Option<String>; 2] {
    let ca = &connection.ca;
    let version = match ca.kind {
        CaKind::ConfigMap => objects
            .config_maps
            .get(&ca.name)
            .and_then(ResourceExt::resource_version),
        CaKind::Secret => objects
            .secrets
            .get(&ca.name)
            .and_then(ResourceExt::resource_version),
    };
    let auth = connection
        .auth
        .as_ref()
        .and_then(|auth| objects.secrets.get(&auth.secret));
    [version, auth.and_then(ResourceExt::resource_version)]
}

fn provider(
    connection: &Connection,
    objects: &Objects,
    clock: &Clock,
) -> Result<Arc<dyn Provider>, Trouble> {
    let deadlines = connection.deadlines;
    let auth = connection.auth.as_ref();
    let config = Config {
        url: connection.url.to_string(),
        path: String::new(),
        roots: roots(connection, objects)?,
        auth: auth
            .map(|auth| read_auth(connection, auth, objects))
            .transpose()?,
        timeouts: Timeouts {
            connect: deadlines.connect,
            read: deadlines.read,
            total: deadlines.total,
        },
        max_skew: connection.max_skew,
        clock: clock.clone(),
    };
    match OpenAttestation::new(config) {
        Ok(provider) => Ok(Arc::new(provider)),
        Err(error) => {
            let mut message = crate::telemetry::Chain(&error).to_string();
            if error.is_of_roots() {
                let CaRef { kind, name, key } = &connection.ca;
                message = format!("key `{key}` of {kind:?} `{name}`: {message}");
            }
            Err(Trouble {
                reason: "InvalidReference",
                message,
            })
        }
    }
}

fn roots(connection: &Connection, objects: &Objects) -> Result<Vec<u8>, Trouble> {
    let CaRef { name, key, .. } = &connection.ca;
    match connection.ca.kind {
        CaKind::ConfigMap => {
            let map = objects.config_maps.get(name);
            let map = allowed(map, "ConfigMap", name, connection)?;
            let text = map.data.as_ref().and_then(|data| data.get(key));
            text.map(|text| text.clone().into_bytes())
                .ok_or_else(|| no_key("ConfigMap", name, key))
        }
        CaKind::Secret => secret(connection, objects, name, key),
    }
}

fn read_auth(
    connection: &Connection,
    auth: &Auth,
    objects: &Objects,
) -> Result<openattestation::Auth, Trouble> {
    let value = secret(connection, objects, &auth.secret, &auth.key)?;
    Ok(openattestation::Auth {
        header: auth.header.to_string(),
        value: Secret::from(value),
    })
}

fn secret(
    connection: &Connection,
    objects: &Objects,
    name: &str,
    key: &str,
) -> Result<Vec<u8>, Trouble> {
    let secret = allowed(
        objects.secrets.get(&name.to_owned()),
        "Secret",
        name,
        connection,
    )?;
    let bytes = secret.data.as_ref().and_then(|data| data.get(key));
    bytes
        .map(|bytes| bytes.0.clone())
        .ok_or_else(|| no_key("Secret", name, key))
}

/// Only what names this very service in its label may be used for it: else whoever may edit a
/// service could send any Secret of ours to a stranger.
fn allowed<'a, K: ResourceExt>(
    object: Option<&'a K>,
    kind: &str,
    name: &str,
    connection: &Connection,
) -> Result<&'a K, Trouble> {
    let service = connection.name.as_str();
    let labelled = object.filter(|object| {
        object
            .labels()
            .get(keys::SERVICE)
            .is_some_and(|label| label == service)
    });
    labelled.ok_or_else(|| Trouble {
        reason: "ReferenceMissing",
        message: format!(
            "{kind} `{name}` must exist in Trustpool's namespace and carry the label {}: {service}",
            keys::SERVICE
        ),
    })
}

fn no_key(kind: &str, name: &str, key: &str) -> Trouble {
    Trouble {
        reason: "ReferenceMissing",
        message: format!("{kind} `{name}` has no key `{key}`"),
    }
}
