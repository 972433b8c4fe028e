//! Everything that the process may be told, already valid.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that the process may be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// How to reach the cluster; `None` is what kubectl would use, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The only namespace whose Secrets and ConfigMaps are read.
    pub namespace: String,
    /// Where kube-scheduler asks; a loopback address.
    pub extender_listen: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub admin_listen: SocketAddr,
    /// How long requests may go on after the process was told to stop.
    pub drain: Duration,
}
