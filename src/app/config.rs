//! What the process is told, already valid.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::server::tls::files::Files;

/// Everything that the process may be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// How to reach the cluster; `None` is what kubectl would use, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The only namespace whose Secrets and `ConfigMaps` are read.
    pub namespace: String,
    /// Where `/livez`, `/readyz` and `/metrics` are.
    pub admin_listen: SocketAddr,
    /// How long requests may go on after the process was told to stop.
    pub drain: Duration,
    /// Whether it attests and marks, the role that writes.
    pub controller: Option<ControllerConfig>,
    /// Whether it answers, the role that only reads.
    pub gate: Option<GateConfig>,
}

/// What a controller is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ControllerConfig {
    /// How the API server reaches the bind gate, beside by its Service: DNS names and IP addresses.
    pub bind_names: Vec<String>,
}

/// What a gate is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GateConfig {
    /// Where kube-scheduler asks; a loopback address.
    pub extender_listen: SocketAddr,
    /// Where the API server asks about Bindings, by TLS.
    pub bind_listen: SocketAddr,
    /// The certificate that is shown there; `None` is what the controller keeps in a Secret.
    pub certificate: Option<Files>,
}
