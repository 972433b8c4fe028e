//! One step, written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use thiserror::Error;
use tracing::info;

use crate::api::keys;
use crate::call::{self, call};
use crate::certificates::{self, Bundle, Contents, Names, State, Step, Why};

use super::objects::Objects;

/// Why a step was not taken.
#[derive(Debug, Error)]
pub enum Error {
    /// No certificate could be made.
    #[error("failed to make what goes into Secret `{name}`")]
    Make {
        /// The Secret.
        name: &'static str,
        /// Why.
        source: certificates::Error,
    },
    /// The API server did not take it.
    #[error("failed to write {kind} `{name}`")]
    Write {
        /// What kind of object.
        kind: &'static str,
        /// The object.
        name: String,
        /// Why.
        source: call::Error,
    },
}

impl Error {
    /// Says whether somebody else wrote, made or deleted the object first.
    pub fn is_of_another(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.is_of_another())
    }
}

/// Where steps are written.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Secrets of our namespace.
    pub secrets: Api<Secret>,
    /// Webhook configurations.
    pub webhooks: Api<ValidatingWebhookConfiguration>,
}

/// What a step was planned from.
#[derive(Clone, Copy)]
pub struct Basis<'a> {
    /// The names that a certificate is for.
    pub names: &'a Names,
    /// When it was planned.
    pub now: Timestamp,
    /// The objects. What has changed since is not written over.
    pub objects: &'a Objects,
    /// What they mean.
    pub state: &'a State,
}

impl Writer {
    /// Takes `step`.
    ///
    /// # Errors
    ///
    /// It was not taken, or nobody knows.
    pub async fn take(&self, step: &Step, basis: Basis<'_>) -> Result<(), Error> {
        match step {
            Step::Issue(why) => self.issue(why, basis).await,
            Step::Keep(bundle) => self.keep(bundle, basis.objects).await,
            Step::Make { why, previous } => self.make(why, previous, basis).await,
            Step::Publish(bundle) => self.publish(bundle, basis.objects).await,
            Step::Wait { .. } => Ok(()),
        }
    }

    async fn issue(&self, why: &Why, basis: Basis<'_>) -> Result<(), Error> {
        let name = keys::GATE_SECRET;
        let Basis { names, now, .. } = basis;
        let Some(authority) = basis.state.authority.readable() else {
            return Ok(());
        };
        let contents = Contents::issue(authority, names, now);
        let contents = contents.map_err(|source| Error::Make { name, source })?;
        let known = basis.objects.gate();
        self.write(whole(name, "kubernetes.io/tls", &contents, known))
            .await?;
        info!(secret = name, %why, %names, "certificate issued");
        Ok(())
    }

    async fn keep(&self, bundle: &Bundle, objects: &Objects) -> Result<(), Error> {
        let name = keys::CA_SECRET;
        let Some(secret) = objects.authority() else {
            return Ok(());
        };
        let data = BTreeMap::from([authorities(bundle)]);
        self.write(with(secret.clone(), data)).await?;
        info!(secret = name, count = bundle.len(), "CAs in use noted");
        Ok(())
    }

    async fn make(&self, why: &Why, previous: &Bundle, basis: Basis<'_>) -> Result<(), Error> {
        let name = keys::CA_SECRET;
        let contents = Contents::make(previous.clone(), basis.now);
        let contents = contents.map_err(|source| Error::Make { name, source })?;
        let known = basis.objects.authority();
        self.write(whole(name, "Opaque", &contents, known)).await?;
        info!(secret = name, %why, "CA made");
        Ok(())
    }

    /// Gives every webhook `bundle`, if none of them has changed since it was read.
    async fn publish(&self, bundle: &Bundle, objects: &Objects) -> Result<(), Error> {
        let name = keys::BIND_WEBHOOK;
        let Some(configuration) = objects.webhook() else {
            return Ok(());
        };
        let patch = Patch::Strategic(patch(configuration, bundle));
        let params = PatchParams::default();
        let written = self.webhooks.patch_metadata(name, &params, &patch);
        let failed = |source| Error::Write {
            kind: "ValidatingWebhookConfiguration",
            name: name.to_owned(),
            source,
        };
        call(written).await.map_err(failed)?;
        info!(webhook = name, count = bundle.len(), "CAs published");
        Ok(())
    }

    /// Creates `secret`, or replaces it if it was read from the server: only what has not changed since.
    async fn write(&self, secret: Secret) -> Result<(), Error> {
        let name = secret.name_any();
        let params = PostParams::default();
        let written = if secret.metadata.resource_version.is_some() {
            call(self.secrets.replace(&name, &params, &secret)).await
        } else {
            call(self.secrets.create(&params, &secret)).await
        };
        let kind = "Secret";
        written.map_err(|source| Error::Write { kind, name, source })?;
        Ok(())
    }
}

/// The Secret `name` with `contents`: `known` as it is but for that, or a new one of type `kind`.
fn whole(name: &str, kind: &str, contents: &Contents, known: Option<&Secret>) -> Secret {
    let text = |text: &str| ByteString(text.as_bytes().to_vec());
    let secret = known.cloned().unwrap_or_else(|| Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        type_: Some(kind.to_owned()),
        ..Secret::default()
    });
    let data = BTreeMap::from([
        authorities(&contents.authorities),
        (
            keys::TLS_CERTIFICATE.to_owned(),
            text(&contents.pem.certificate),
        ),
        (keys::TLS_KEY.to_owned(), text(&contents.pem.key)),
    ]);
    with(secret, data)
}

fn with(mut secret: Secret, data: BTreeMap<String, ByteString>) -> Secret {
    secret.data.get_or_insert_default().extend(data);
    secret
}

fn authorities(bundle: &Bundle) -> (String, ByteString) {
    let pem = ByteString(bundle.to_pem().into_bytes());
    (keys::TLS_AUTHORITIES.to_owned(), pem)
}

/// A strategic merge patch: webhooks merge by their name, and whatever else there is stays, fields of
/// which nothing is known here included.
fn patch(configuration: &ValidatingWebhookConfiguration, bundle: &Bundle) -> Value {
    let bundle = ByteString(bundle.to_pem().into_bytes());
    let webhooks = configuration.webhooks.iter().flatten();
    let webhooks =
        webhooks.map(|webhook| json!({"name": webhook.name, "clientConfig": {"caBundle": bundle}}));
    json!({
        "metadata": {"resourceVersion": configuration.metadata.resource_version},
        "webhooks": webhooks.collect::<Vec<_>>(),
    })
}
