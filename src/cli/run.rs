//! The roles, and how each is told where to listen, whom to be, and when to stop.

mod gate;
mod process;

use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;

use crate::app::{ControllerConfig, GateConfig};
use crate::policies::{Choice, GateUrl, Groups, Selector};

use self::gate::{GateArgs, Only};
use self::process::Process;

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

/// Reads a length of time such as `10s` or `1m30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let length: SignedDuration = text
        .parse()
        .map_err(|_: jiff::Error| "must be a time such as `10s` or `1m30s`".to_owned())?;
    Duration::try_from(length).map_err(|_| "must not be negative".to_owned())
}
