//! The end of an installation, as it is typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::app::cleanup;
use crate::controller::cleanup::{Extent, Secrets};
use crate::telemetry::{self, Colour, Format};

use super::run::FILTER;

/// Take off Nodes what Trustpool wrote, once it is uninstalled.
///
/// Its taints and its condition go from every Node. Its labels stay where a pod runs that selects
/// them, or requires them by nodeAffinity: a kubelet that restarts without them would fail the pod.
/// Lease, ConfigMap and Secrets that Trustpool made in its namespace go too; definitions, and the
/// objects of their kinds, stay.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  kubectl -n trustpool-system delete deployment trustpool-controller
  trustpool cleanup")]
pub(super) struct Cleanup {
    /// How to reach the cluster [default: what kubectl would use, or the pod's own account].
    #[arg(long, value_name = "FILE", env = "TRUSTPOOL_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// The namespace that Trustpool was in.
    #[arg(long, default_value = "trustpool-system", env = "TRUSTPOOL_NAMESPACE")]
    namespace: String,
    /// What becomes of labels of Nodes.
    #[arg(long, value_enum, default_value_t = Labels::Keep)]
    labels: Labels,
    /// Which Secrets of the bind gate's certificate go.
    #[arg(long, value_enum, default_value_t = Which::All)]
    secrets: Which,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Which {
    /// Trustpool's CA and the certificate.
    All,
    /// Trustpool's CA, where the certificate is of another.
    Authority,
    /// None.
    None,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Labels {
    /// They stay where a pod runs that selects or requires them.
    Keep,
    /// They go everywhere.
    Remove,
}

impl Cleanup {
    /// Cleans.
    ///
    /// # Errors
    ///
    /// Something could not be taken off.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        telemetry::init(EnvFilter::new(FILTER), Format::Text, Colour::Off);
        let Self {
            kubeconfig,
            namespace,
            labels,
            secrets,
        } = self;
        let extent = Extent {
            every_label: labels == Labels::Remove,
            secrets: match secrets {
                Which::All => Secrets::All,
                Which::Authority => Secrets::Authority,
                Which::None => Secrets::Keep,
            },
        };
        let told = cleanup::Cleanup {
            kubeconfig,
            namespace,
            extent,
        };
        cleanup::run(told).await
    }
}
