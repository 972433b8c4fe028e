//! The connection to the cluster.

use std::error::Error;
use std::path::Path;

use anyhow::{Context, anyhow};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::leader::{Claims, Fence};

/// How the cluster is reached. kube's own retries are off: they repeat a write minutes later, when it may not be
/// ours to make any more; every caller looks again before it tries again.
#[derive(Clone, Debug)]
pub struct Connection(Config);

impl Connection {
    /// Finds the cluster.
    ///
    /// # Errors
    ///
    /// There is none to be found, or the kubeconfig cannot be used.
    pub async fn find(kubeconfig: Option<&Path>) -> anyhow::Result<Self> {
        let mut config = match kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path)
                    .map_err(without_content)
                    .with_context(|| format!("failed to read `--kubeconfig {}`", path.display()))?;
                Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
            }
            None => Config::infer().await.map_err(without_content).context(
                "found no cluster: not in a pod, and no kubeconfig that can be used; name one with \
                 `--kubeconfig`",
            )?,
        };
        config.default_retry = false;
        Ok(Self(config))
    }

    /// A client.
    ///
    /// # Errors
    ///
    /// What is known of the cluster cannot be used.
    pub fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::try_from(self.0.clone())?)
    }

    /// A client of its own, which writes only while something is claimed.
    ///
    /// # Errors
    ///
    /// What is known of the cluster cannot be used.
    pub fn fenced(&self, claims: Claims) -> anyhow::Result<Client> {
        let builder = ClientBuilder::try_from(self.0.clone())?;
        Ok(builder.with_layer(&Fence::new(claims)).build())
    }
}

/// Why no kubeconfig can be used; `error`, or what it comes from, is kube's. A parser quotes what it could
/// not read, and there may be a token in it: that is left out.
fn without_content(error: impl Error + Send + Sync + 'static) -> anyhow::Error {
    let error = anyhow::Error::new(error);
    let kubeconfig = error.chain().find_map(|it| it.downcast_ref());
    if matches!(kubeconfig, Some(KubeconfigError::Parse(_))) {
        return anyhow!("the file cannot be read as the YAML of a kubeconfig");
    }
    error
}
