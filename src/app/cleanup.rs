//! The end of an installation: connects, and has everything taken off.

use std::path::PathBuf;

use tracing::info;

use crate::controller::cleanup::{Extent, clean};

use super::connection::Connection;

/// What a cleaning is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cleanup {
    /// How to reach the cluster; `None` is what kubectl would use, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// Trustpool's own.
    pub namespace: String,
    /// What is to go.
    pub extent: Extent,
}

/// Takes off Nodes what Trustpool wrote, and deletes what it made in its namespace.
///
/// # Errors
///
/// A controller still runs, or the API server refuses.
pub async fn run(cleanup: Cleanup) -> anyhow::Result<()> {
    let connection = Connection::find(cleanup.kubeconfig.as_deref()).await?;
    let client = connection.client()?;
    let kept = clean(&client, &cleanup.namespace, cleanup.extent).await?;
    if kept > 0 {
        info!(
            nodes = kept,
            "labels stay where pods run that want them; take them off later with --labels remove"
        );
    }
    info!("nothing else of Trustpool is left on Nodes");
    Ok(())
}
