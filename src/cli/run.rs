//! The roles, and how each is told where to listen, whom to be, and when to stop.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::app::{
    self, BindConfig, Config, ControllerConfig, ExtenderConfig, ExtenderTls, GateConfig,
    MetricsConfig,
};
use crate::clock::Clock;
use crate::policies::{Choice, GateUrl, Groups, Selector};
use crate::server::tls::files::{ClientFile, Files};
use crate::telemetry::{self, Colour, Format};

/// What is logged unless something else is asked for. What kube's client reports in that module is an error that we
/// report with what follows from it.
pub(super) const FILTER: &str = "info,kube_client::client::builder=off";

/// Attest nodes and mark them: the role that writes.
///
/// Nodes of every TrustPool are asked about at its AttestationService; each verdict becomes a
/// NodeTrust, and a label and a taint of the Node. It also keeps the certificate of the bind gate.
/// Any number of processes may have this role: the one that holds Lease trustpool-controller of
/// --namespace attests, the others stand by.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool controller --kubeconfig controller.kubeconfig
  kubectl get attestationservices,trustpools,nodetrusts")]
pub struct Controller {
    #[command(flatten)]
    pub(super) process: Process,
    #[command(flatten)]
    pub(super) controller: ControllerArgs,
}

/// Answer kube-scheduler and the API server: the role that only reads.
///
/// kube-scheduler asks POST /filter and /preempt on --extender-listen; the API server asks POST
/// /bind/… on --bind-listen about every Binding in a namespace that is covered. Any number of
/// processes may have this role. Two of one user may share an address: each listens once it is
/// ready, so that one can take over from the other.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool gate --kubeconfig gate.kubeconfig --bind-listen 0.0.0.0:9471
  trustpool gate --only bind
  trustpool gate --only extender --extender-tls-cert extender.crt --extender-tls-key extender.key --extender-client-ca ca.crt")]
pub struct Gate {
    #[command(flatten)]
    pub(super) process: Process,
    /// Serve one port alone, and be ready by what that one needs: where the other lacks something, such as a
    /// certificate, this one goes on. Flags of the other mean nothing then [default: both].
    #[arg(long, value_enum, value_name = "PORT", env = "TRUSTPOOL_ONLY")]
    pub(super) only: Option<Only>,
    #[command(flatten)]
    pub(super) gate: GateArgs,
}

/// Both roles in one process, for a small cluster.
///
/// What `trustpool controller` and `trustpool gate` do, as one user that may do both.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool run --kubeconfig ~/.kube/config --namespace trustpool-system
  kubectl get attestationservices,trustpools,nodetrusts")]
pub struct Run {
    #[command(flatten)]
    pub(super) process: Process,
    #[command(flatten)]
    pub(super) controller: ControllerArgs,
    #[command(flatten)]
    pub(super) gate: GateArgs,
}

/// What every role is told.
#[derive(Args, Debug)]
pub(super) struct Process {
    /// How to reach the cluster [default: what kubectl would use, or the pod's own account].
    #[arg(long, value_name = "FILE", env = "TRUSTPOOL_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The namespace whose Secrets and ConfigMaps are used: no other is ever read.
    #[arg(long, default_value = "trustpool-system", env = "TRUSTPOOL_NAMESPACE")]
    namespace: String,
    /// Where /livez, /readyz and /metrics are, for whoever reaches it.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9472",
        env = "TRUSTPOOL_ADMIN_LISTEN"
    )]
    admin_listen: SocketAddr,
    /// Where they are as well: a Unix socket, which no other process shares. For `trustpool probe`.
    #[arg(long, value_name = "FILE", env = "TRUSTPOOL_ADMIN_SOCKET")]
    admin_socket: Option<PathBuf>,
    /// Where /metrics is instead, by TLS, for those alone whose token the API server knows and lets get it (role
    /// trustpool-metrics-reader).
    #[arg(
        long,
        value_name = "ADDRESS",
        requires_all = ["metrics_tls_cert", "metrics_tls_key"],
        env = "TRUSTPOOL_METRICS_LISTEN"
    )]
    metrics_listen: Option<SocketAddr>,
    /// The certificate to show there, and those that lead to its CA (PEM). Both files are read again when they change.
    #[arg(
        long,
        value_name = "FILE",
        requires = "metrics_listen",
        env = "TRUSTPOOL_METRICS_TLS_CERT"
    )]
    metrics_tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(
        long,
        value_name = "FILE",
        requires = "metrics_listen",
        env = "TRUSTPOOL_METRICS_TLS_KEY"
    )]
    metrics_tls_key: Option<PathBuf>,
    /// What to log: a level, or levels by module, such as `info,trustpool::controller=debug`.
    #[arg(
        long,
        value_name = "FILTER",
        default_value = FILTER,
        env = "TRUSTPOOL_LOG"
    )]
    log: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "TRUSTPOOL_LOG_FORMAT")]
    log_format: LogFormat,
    /// How long requests may go on after SIGTERM, such as `10s`.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "10s",
        value_parser = duration,
        allow_hyphen_values = true,
        env = "TRUSTPOOL_DRAIN"
    )]
    drain: Duration,
}

/// What a controller is told.
#[derive(Args, Debug)]
pub(super) struct ControllerArgs {
    /// How the API server reaches the bind gate, beside as trustpool-gate.NAMESPACE.svc: DNS names
    /// and IP addresses for its certificate, separated by commas.
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        env = "TRUSTPOOL_BIND_NAMES"
    )]
    bind_names: Vec<String>,
    /// How the API server reaches the bind gate where not by Service trustpool-gate: what the webhooks' `url`
    /// begins with, `https://HOST:PORT`. Any other is told as altered. The certificate is for this host
    /// too.
    #[arg(long, value_name = "URL", env = "TRUSTPOOL_BIND_URL")]
    bind_url: Option<GateUrl>,
    /// Which admission policies must be in force, separated by commas: validating, mutating and webhook
    /// (manifests), extender, startup-taint and unmutated (without-mutating-policies.yaml of
    /// manifests/optional). Instead of webhook, webhook-given where `caBundle` is not Trustpool's. What
    /// is missing or was altered is told in the log, in Events and as `trustpool_policy`. Empty: none.
    #[arg(
        long,
        value_name = "GROUPS",
        default_value = "mutating,validating,webhook",
        env = "TRUSTPOOL_EXPECT_POLICIES"
    )]
    expect_policies: Groups,
    /// The objectSelector of policy startup-taint.trustpool.dev, JSON: which nodes it is for. Any other
    /// is told as altered.
    #[arg(
        long,
        value_name = "SELECTOR",
        default_value = "{}",
        env = "TRUSTPOOL_STARTUP_TAINT_SELECTOR"
    )]
    startup_taint_selector: Selector,
}

/// What a gate is told.
#[derive(Args, Debug)]
pub(super) struct GateArgs {
    /// Where kube-scheduler asks. A loopback address, unless there is TLS.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9470",
        env = "TRUSTPOOL_EXTENDER_LISTEN"
    )]
    extender_listen: SocketAddr,
    /// The certificate to show there (PEM), so that TLS is spoken: with clients that show one of their own. All
    /// three files are read again when they change; `trustpool pki` makes them.
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["extender_tls_key", "extender_client_ca"],
        env = "TRUSTPOOL_EXTENDER_TLS_CERT"
    )]
    extender_tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["extender_tls_cert", "extender_client_ca"],
        env = "TRUSTPOOL_EXTENDER_TLS_KEY"
    )]
    extender_tls_key: Option<PathBuf>,
    /// The CAs of those who may ask there (PEM, one after another).
    #[arg(
        long,
        value_name = "FILE",
        requires_all = ["extender_tls_cert", "extender_tls_key"],
        env = "TRUSTPOOL_EXTENDER_CLIENT_CA"
    )]
    extender_client_ca: Option<PathBuf>,
    /// The name that the certificate of whoever asks there must say: its common name, or one of its DNS names or
    /// URIs. Nobody else is answered.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "system:kube-scheduler",
        env = "TRUSTPOOL_EXTENDER_CLIENT_NAME"
    )]
    extender_client_name: String,
    /// Where the API server asks about Bindings, by TLS.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "0.0.0.0:9471",
        env = "TRUSTPOOL_BIND_LISTEN"
    )]
    bind_listen: SocketAddr,
    /// The certificate to show there, and those that lead to its CA (PEM) [default: what `trustpool
    /// controller` keeps in Secret trustpool-gate-tls].
    #[arg(
        long,
        value_name = "FILE",
        requires = "bind_tls_key",
        env = "TRUSTPOOL_BIND_TLS_CERT"
    )]
    bind_tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(
        long,
        value_name = "FILE",
        requires = "bind_tls_cert",
        env = "TRUSTPOOL_BIND_TLS_KEY"
    )]
    bind_tls_key: Option<PathBuf>,
    /// How long everything goes on after SIGTERM before --drain begins, while /readyz says no already: for a gate
    /// behind a Service, which sends requests for a moment longer.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "0s",
        value_parser = duration,
        allow_hyphen_values = true,
        env = "TRUSTPOOL_SHUTDOWN_DELAY"
    )]
    shutdown_delay: Duration,
}

/// The port that a gate serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Only {
    /// Where the API server asks about Bindings.
    Bind,
    /// Where kube-scheduler asks.
    Extender,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl ControllerArgs {
    pub(super) fn config(self) -> ControllerConfig {
        ControllerConfig {
            bind_names: self.bind_names,
            policies: Choice {
                groups: self.expect_policies,
                url: self.bind_url,
                selector: self.startup_taint_selector,
            },
        }
    }
}

impl Gate {
    /// What its ports are told.
    pub(super) fn config(self) -> (Process, GateConfig) {
        let mut config = self.gate.config();
        match self.only {
            None => {}
            Some(Only::Bind) => config.extender = None,
            Some(Only::Extender) => config.bind = None,
        }
        (self.process, config)
    }
}

impl GateArgs {
    pub(super) fn config(self) -> GateConfig {
        let files = self.bind_tls_cert.zip(self.bind_tls_key);
        let extender = self.extender_tls_cert.zip(self.extender_tls_key);
        let extender = extender.zip(self.extender_client_ca);
        let name = self.extender_client_name;
        let extender = ExtenderConfig {
            listen: self.extender_listen,
            tls: extender.map(|((certificate, key), clients)| ExtenderTls {
                files: Files { certificate, key },
                clients: ClientFile(clients),
                name,
            }),
        };
        let bind = BindConfig {
            listen: self.bind_listen,
            certificate: files.map(|(certificate, key)| Files { certificate, key }),
        };
        GateConfig {
            extender: Some(extender),
            bind: Some(bind),
            shutdown_delay: self.shutdown_delay,
        }
    }
}

impl Process {
    /// Runs the roles until it is told to stop.
    ///
    /// # Errors
    ///
    /// It cannot start, or cannot go on.
    pub(super) async fn run(
        self,
        controller: Option<ControllerConfig>,
        gate: Option<GateConfig>,
    ) -> anyhow::Result<()> {
        self.log()?;
        let files = self.metrics_tls_cert.zip(self.metrics_tls_key);
        let metrics = self.metrics_listen.zip(files);
        let metrics = metrics.map(|(listen, (certificate, key))| MetricsConfig {
            listen,
            certificate: Files { certificate, key },
        });
        let config = Config {
            kubeconfig: self.kubeconfig,
            namespace: self.namespace,
            admin_listen: self.admin_listen,
            admin_socket: self.admin_socket,
            metrics,
            drain: self.drain,
            controller,
            gate,
        };
        let stop = CancellationToken::new();
        let app = app::run(config, Clock::system(), stop.clone());
        let mut app = std::pin::pin!(app);
        let mut terminate = signal(SignalKind::terminate()).context("failed to await SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("failed to await SIGINT")?;
        let name = tokio::select! {
            ended = &mut app => return ended,
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(signal = name, "told to stop");
        stop.cancel();
        // A second signal does not wait for anybody.
        tokio::select! {
            ended = app => ended,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    }

    fn log(&self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(&self.log)
            .with_context(|| format!("`--log {}` is not a filter", self.log))?;
        let format = match self.log_format {
            LogFormat::Json => Format::Json,
            LogFormat::Text => Format::Text,
        };
        let terminal = std::io::stderr().is_terminal();
        let colour = if terminal { Colour::On } else { Colour::Off };
        telemetry::init(filter, format, colour);
        Ok(())
    }
}

/// Reads a length of time such as `10s` or `1m30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let length: SignedDuration = text
        .parse()
        .map_err(|_: jiff::Error| "must be a time such as `10s` or `1m30s`".to_owned())?;
    Duration::try_from(length).map_err(|_| "must not be negative".to_owned())
}
