//! What the process is told, already valid.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::policies::Choice;
use crate::server::tls::files::{ClientFile, Files};

/// Everything that the process may be told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// How to reach the cluster; `None` is what kubectl would use, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The only namespace whose Secrets and `ConfigMaps` are read.
    pub namespace: String,
    /// Where `/livez` and `/readyz` are, and `/metrics` unless `metrics` says otherwise.
    pub admin_listen: SocketAddr,
    /// The Unix socket where they are as well.
    pub admin_socket: Option<PathBuf>,
    /// Where `/metrics` is instead, for those alone who may read it.
    pub metrics: Option<MetricsConfig>,
    /// How long requests may go on after the process was told to stop.
    pub drain: Duration,
    /// Whether it attests and marks, the role that writes.
    pub controller: Option<ControllerConfig>,
    /// Whether it answers, the role that only reads.
    pub gate: Option<GateConfig>,
}

/// How metrics are read by those alone who may.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetricsConfig {
    /// Where, by TLS.
    pub listen: SocketAddr,
    /// The certificate that is shown there.
    pub certificate: Files,
}

/// What a controller is told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ControllerConfig {
    /// How the API server reaches the bind gate, beside by its Service: DNS names and IP addresses.
    pub bind_names: Vec<String>,
    /// Which admission policies must be in force, and what was chosen about them.
    pub policies: Choice,
}

/// What a gate is told: which ports it serves, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GateConfig {
    /// Where kube-scheduler asks; `None` is nowhere.
    pub extender: Option<ExtenderConfig>,
    /// Where the API server asks about Bindings; `None` is nowhere.
    pub bind: Option<BindConfig>,
    /// How long everything goes on after the process was told to stop, while it says that it is not ready.
    pub shutdown_delay: Duration,
}

/// What a gate is told of the extender.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExtenderConfig {
    /// Where kube-scheduler asks; a loopback address unless there is TLS.
    pub listen: SocketAddr,
    /// How TLS is spoken there; `None` is plain HTTP.
    pub tls: Option<ExtenderTls>,
}

/// What a gate is told of the bind gate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindConfig {
    /// Where the API server asks about Bindings, by TLS.
    pub listen: SocketAddr,
    /// The certificate that is shown there; `None` is what the controller keeps in a Secret.
    pub certificate: Option<Files>,
}

/// How the extender speaks TLS, and with whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ExtenderTls {
    /// The certificate that is shown.
    pub files: Files,
    /// The CAs of those who may ask.
    pub clients: ClientFile,
    /// The name that their certificates say.
    pub name: String,
}
