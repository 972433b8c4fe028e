//! What every role is told, and how each runs until it is told to stop.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::app::{self, Config, ControllerConfig, GateConfig, MetricsConfig};
use crate::clock::Clock;
use crate::server::tls::files::Files;
use crate::telemetry::{self, Colour, Format};

use super::{FILTER, duration};

/// What every role is told.
#[derive(Args, Debug)]
pub(in crate::cli) struct Process {
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Process {
    /// Runs the roles until it is told to stop.
    ///
    /// # Errors
    ///
    /// It cannot start, or cannot go on.
    pub(in crate::cli) async fn run(
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
