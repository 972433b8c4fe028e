//! What is left when Trustpool is uninstalled: on Nodes neither taints nor conditions of ours, and labels only where a
//! pod runs that wants them, because a kubelet that restarts without the label would fail it.

mod marks;
mod needs;
mod nodes;
mod pages;

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::api::keys;
use crate::call::{self, call};

use self::nodes::Cleaner;

/// What makes controllers: while it is there, nothing is taken off.
const DEPLOYMENT: &str = "trustpool-controller";

/// Which pods would write again what is taken off.
const CONTROLLERS: &str = "app.kubernetes.io/name=trustpool,app.kubernetes.io/component=controller";

/// How long to wait for controllers to end: longer than Kubernetes gives them.
const END: Duration = Duration::from_secs(90);

/// What is to be taken off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Extent {
    /// Labels of Nodes also where pods want them.
    pub every_label: bool,
    /// What becomes of the Secrets of the bind gate's certificate.
    pub secrets: Secrets,
}

/// Which Secrets go: those that Trustpool made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Secrets {
    /// That of its CA and that of the certificate.
    All,
    /// That of its CA. The other is somebody else's.
    Authority,
    /// None.
    Keep,
}

impl Secrets {
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::All => &[keys::CA_SECRET, keys::GATE_SECRET],
            Self::Authority => &[keys::CA_SECRET],
            Self::Keep => &[],
        }
    }
}

/// Why something is left.
#[derive(Debug, Error)]
pub enum Error {
    /// A controller would put everything back.
    #[error(
        "a controller, or its Deployment, is still in namespace `{namespace}` after {} s: uninstall first",
        END.as_secs()
    )]
    Controlled {
        /// Where.
        namespace: String,
    },
    /// The API server did not do it.
    #[error("failed to {what}")]
    Failed {
        /// What was to be done.
        what: String,
        /// Why not.
        source: call::Error,
    },
    /// A controller came while Nodes were cleaned: it needs what is in its namespace.
    #[error(
        "a controller, or its Deployment, came to namespace `{namespace}` meanwhile: its Lease and Secrets stay, and \
         it marks Nodes again"
    )]
    Returned {
        /// Where.
        namespace: String,
    },
}

/// Takes off what `extent` says, and returns how many Nodes keep a label.
///
/// # Errors
///
/// A controller runs, or the API server refuses: what was done until then is done.
pub async fn clean(client: &Client, namespace: &str, extent: Extent) -> Result<usize, Error> {
    let ended = timeout(END, controllers_end(client, namespace)).await;
    ended.map_err(|_| Error::Controlled {
        namespace: namespace.to_owned(),
    })??;
    let cleaner = Cleaner {
        nodes: Api::all(client.clone()),
        pods: Api::all(client.clone()),
        every_label: extent.every_label,
    };
    let kept = cleaner.clean().await?;
    if is_controlled(client, namespace).await? {
        let namespace = namespace.to_owned();
        return Err(Error::Returned { namespace });
    }
    delete::<Lease>(client, namespace, keys::LEASE).await?;
    delete::<ConfigMap>(client, namespace, keys::POOLS).await?;
    for secret in extent.secrets.names() {
        delete::<Secret>(client, namespace, secret).await?;
    }
    Ok(kept)
}

async fn controllers_end(client: &Client, namespace: &str) -> Result<(), Error> {
    while is_controlled(client, namespace).await? {
        info!("waiting for the controller to end, and its Deployment to go");
        sleep(Duration::from_secs(2)).await;
    }
    Ok(())
}

/// Says whether a controller runs, or is to run.
async fn is_controlled(client: &Client, namespace: &str) -> Result<bool, Error> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let params = ListParams::default().labels(CONTROLLERS).limit(1);
    let found = call(pods.list(&params)).await;
    let found = found.map_err(failed("list pods of the controller"))?;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let deployed = call(deployments.get_opt(DEPLOYMENT)).await;
    let deployed = deployed.map_err(failed("look for the controller's Deployment"))?;
    Ok(!found.items.is_empty() || deployed.is_some())
}

async fn delete<K>(client: &Client, namespace: &str, name: &str) -> Result<(), Error>
where
    K: Clone + Debug + DeserializeOwned,
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let deleted = call(api.delete(name, &DeleteParams::default())).await;
    let what = format!("delete {} `{name}`", K::kind(&()));
    deleted.map(drop).or_else(gone).map_err(failed(what))
}

/// What is gone need not be cleaned.
fn gone(error: call::Error) -> Result<(), call::Error> {
    if error.is_missing() {
        Ok(())
    } else {
        Err(error)
    }
}

fn failed(what: impl Into<String>) -> impl Fn(call::Error) -> Error {
    let what = what.into();
    move |source| Error::Failed {
        what: what.clone(),
        source,
    }
}

#[cfg(test)]
mod tests;
