//! The check of an installation, as it is typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::app::check;
use crate::telemetry::{self, Colour, Format};

use super::run::{FILTER, duration};

/// Wait until what must be refused is refused.
///
/// By dry run, so that nothing is made, it creates a pod that asks for trust with a wrong value, which
/// a policy must refuse, and a Binding of a pod that is not there, which the bind gate must refuse.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  kubectl create namespace trustpool-check
  kubectl label namespace trustpool-check trustpool.dev/require=trusted
  trustpool check --in trustpool-check")]
pub(super) struct Check {
    /// How to reach the cluster [default: what kubectl would use, or the pod's own account].
    #[arg(long, value_name = "FILE", env = "TRUSTPOOL_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// A namespace labelled trustpool.dev/require: trusted, in which the user may create pods and
    /// pods/binding.
    #[arg(long = "in", value_name = "NAMESPACE")]
    namespace: String,
    /// How long to wait for each, such as `4m`.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "60s",
        value_parser = duration,
        allow_hyphen_values = true
    )]
    timeout: Duration,
}

impl Check {
    /// Waits.
    ///
    /// # Errors
    ///
    /// It is not refused in time.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        telemetry::init(EnvFilter::new(FILTER), Format::Text, Colour::Off);
        let Self {
            kubeconfig,
            namespace,
            timeout,
        } = self;
        let told = check::Check {
            kubeconfig,
            namespace,
            timeout,
        };
        check::run(told).await
    }
}
