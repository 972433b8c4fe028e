//! What was typed, lowered to what is meant. Every failure names the flag and the value.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;
use tracing_subscriber::EnvFilter;

use crate::api;
use crate::app::{self, Config};
use crate::clock::Clock;
use crate::telemetry::{self, Colour, Format};

/// Trusted compute pools for Kubernetes: pods that ask for trust run on attested nodes only.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the custom resource definitions, or write them to a folder.
    Crds(Crds),
    /// Attest nodes, mark them, and answer kube-scheduler.
    Run(Box<Run>),
}

#[derive(Args, Debug)]
struct Crds {
    /// Write one file for each definition to this folder, instead of all of them to standard output.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Attest nodes, mark them, and answer kube-scheduler.
///
/// Nodes of every TrustPool are asked about at its AttestationService; each verdict becomes a
/// NodeTrust, and a label and a taint of the Node. kube-scheduler asks POST /filter and /preempt on
/// --extender-listen.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  trustpool run --kubeconfig ~/.kube/config --namespace trustpool-system
  kubectl get attestationservices,trustpools,nodetrusts")]
struct Run {
    /// How to reach the cluster [default: what kubectl would use, or the pod's own account].
    #[arg(long, value_name = "FILE", env = "TRUSTPOOL_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The namespace whose Secrets and ConfigMaps services may use: no other is ever read.
    #[arg(long, default_value = "trustpool-system", env = "TRUSTPOOL_NAMESPACE")]
    namespace: String,
    /// Where kube-scheduler asks. A loopback address: there is no TLS here.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9470",
        env = "TRUSTPOOL_EXTENDER_LISTEN"
    )]
    extender_listen: SocketAddr,
    /// Where /livez, /readyz and /metrics are.
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9472",
        env = "TRUSTPOOL_ADMIN_LISTEN"
    )]
    admin_listen: SocketAddr,
    /// What to log: a level, or levels by module, such as `info,trustpool::controller=debug`.
    #[arg(
        long,
        value_name = "FILTER",
        // What kube's client reports there is an error that we report with what follows from it.
        default_value = "info,kube_client::client::builder=off",
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

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    ///
    /// It could not be done; the chain says why.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Crds(Crds { dir: None }) => print_crds(),
            Command::Crds(Crds { dir: Some(dir) }) => write_crds(&dir),
            Command::Run(run) => run.run().await,
        }
    }
}

impl Run {
    async fn run(self) -> anyhow::Result<()> {
        let filter = EnvFilter::try_new(&self.log)
            .with_context(|| format!("`--log {}` is not a filter", self.log))?;
        let format = match self.log_format {
            LogFormat::Json => Format::Json,
            LogFormat::Text => Format::Text,
        };
        let terminal = std::io::stderr().is_terminal();
        telemetry::init(
            filter,
            format,
            if terminal { Colour::On } else { Colour::Off },
        );
        let stop = CancellationToken::new();
        let app = app::run(self.config(), Clock::system(), stop.clone());
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

    fn config(self) -> Config {
        Config {
            kubeconfig: self.kubeconfig,
            namespace: self.namespace,
            extender_listen: self.extender_listen,
            admin_listen: self.admin_listen,
            drain: self.drain,
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn print_crds() -> anyhow::Result<()> {
    for (_, yaml) in api::crds_yaml()? {
        print!("---\n{yaml}");
    }
    Ok(())
}

fn write_crds(dir: &Path) -> anyhow::Result<()> {
    for (name, yaml) in api::crds_yaml()? {
        let path = dir.join(name);
        std::fs::write(&path, yaml)
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

/// Reads a length of time such as `10s` or `1m30s`.
fn duration(text: &str) -> Result<Duration, String> {
    let length: SignedDuration = text
        .parse()
        .map_err(|_: jiff::Error| "must be a time such as `10s` or `1m30s`".to_owned())?;
    Duration::try_from(length).map_err(|_| "must not be negative".to_owned())
}
