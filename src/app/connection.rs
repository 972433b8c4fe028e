//! The connection to the cluster.

use std::error::Error;
use std::path::Path;

use anyhow::{Context, anyhow};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

/// The connection to the cluster. kube's own retries are off: they repeat a write minutes later,
/// when it may not be ours to make any more; every caller looks again before it tries again.
///
/// # Errors
///
/// There is no cluster to be found, or the kubeconfig cannot be used.
pub async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let mut connection = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .map_err(without_content)
                .with_context(|| format!("failed to read `--kubeconfig {}`", path.display()))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?
        }
        None => kube::Config::infer()
            .await
            .map_err(without_content)
            .context(
                "found no cluster: not in a pod, and no kubeconfig that can be used; name one with \
             `--kubeconfig`",
            )?,
    };
    connection.default_retry = false;
    Ok(Client::try_from(connection)?)
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
