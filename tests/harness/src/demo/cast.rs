//! Who plays what: sixty hosts, and the objects that a user would write.

use std::time::Duration;

use serde_json::json;
use trustpool::api::keys;
use trustpool::simulator::hosts::{Delay, Finding, Host};

use super::service::Service;
use crate::NodeBuilder;
use crate::install::NAMESPACE;
use crate::simulator::AUTH_BLOB;

/// How many nodes there are.
pub(super) const NODES: usize = 60;

/// Nodes whose hosts fail.
pub(super) const UNTRUSTED: [usize; 4] = [14, 27, 38, 49];

/// Nodes whose hosts the service does not know.
pub(super) const STRANGERS: [usize; 2] = [23, 44];

/// The node about whose host no question is ever answered.
pub(super) const HANGING: usize = 60;

/// The longest that Trustpool waits for an answer here.
pub(super) const TOTAL: Duration = Duration::from_secs(3);

/// A node that turns untrusted.
pub(super) const TURNED: &str = "node-07";

/// A node that is rebooted.
pub(super) const REBOOTED: &str = "node-08";

/// A node whose agent is silenced.
pub(super) const SILENCED: &str = "node-09";

/// How many nodes are trusted at first.
pub(super) const fn trusted() -> usize {
    NODES - UNTRUSTED.len() - STRANGERS.len() - 1
}

/// The taint of a node whose host fails.
pub(super) fn taint() -> String {
    format!("{}=untrusted:NoSchedule", keys::NOT_TRUSTED)
}

/// The name of a node, and of its host.
pub(super) fn name(number: usize) -> String {
    format!("node-{number:02}")
}

/// The nodes.
pub(super) fn nodes() -> Vec<NodeBuilder> {
    (1..=NODES)
        .map(|number| NodeBuilder::new(&name(number)))
        .collect()
}

/// What the service finds out about their hosts, and how long that takes at first: the later a
/// host is asked about, the longer.
pub(super) fn hosts() -> anyhow::Result<Vec<Host>> {
    let known = (1..=NODES).filter(|number| !STRANGERS.contains(number));
    known
        .map(|number| {
            let verdict = match number {
                HANGING => Finding::Hang,
                _ if UNTRUSTED.contains(&number) => Finding::Untrusted,
                _ => Finding::Trusted,
            };
            let delay = match number {
                11..=30 => Duration::from_millis(1000),
                31..=50 => Duration::from_millis(1500),
                _ => Duration::ZERO,
            };
            Ok(Host {
                name: name(number).parse()?,
                verdict,
                delay: Delay(delay),
            })
        })
        .collect()
}

/// The service and the pool, with what is shortened said beside it.
pub(super) fn trust(service: &Service) -> String {
    format!(
        "apiVersion: trustpool.dev/v1alpha1
kind: AttestationService
metadata: {{name: oat}}
spec:
  openAttestation:
    url: {}
    auth: {{secretRef: {{name: oat-auth}}}}
    tls: {{caRef: {{kind: ConfigMap, name: oat-ca}}}}
  timeouts: {{connect: 1s, read: 3s, total: 3s}}     # shortened: 5s, 75s, 90s by default
---
apiVersion: trustpool.dev/v1alpha1
kind: TrustPool
metadata: {{name: default}}
spec:
  attestationServiceRef: {{name: oat}}
  validity: 6s                                     # shortened: 30m by default
  refresh: {{interval: 2s, minInterval: 1s}}         # shortened: 5m, 30s by default
",
        service.url()
    )
}

/// What the service object names: the CA that signed the service's certificate, and the secret.
pub(super) fn credentials(service: &Service) -> String {
    let named = |name: &str| {
        json!({
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"trustpool.dev/service": "oat"},
        })
    };
    let ca = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": named("oat-ca"),
        "data": {"ca.crt": service.ca()}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": named("oat-auth"),
        "stringData": {"auth-blob": AUTH_BLOB}});
    json!({"apiVersion": "v1", "kind": "List", "items": [ca, secret]}).to_string()
}

/// A pod that asks, as a user would write it.
pub(super) fn asking(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: {name}
  annotations: {{trustpool.dev/require: trusted}}
spec:
  containers: [{{name: app, image: app}}]
"
    )
}

/// A pod that asks and tolerates every taint.
pub(super) fn tolerant(name: &str) -> String {
    format!("{}  tolerations: [{{operator: Exists}}]\n", asking(name))
}

/// Twenty pods that ask.
pub(super) fn twenty(name: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: 20
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata:
      labels: {{app: {name}}}
      annotations: {{trustpool.dev/require: trusted}}
    spec:
      containers: [{{name: app, image: app}}]
"
    )
}

/// The namespace in which every pod asks.
pub(super) const VAULT: &str = "vault";

/// A pod that no scheduler looks at, so that somebody else can bind it.
pub(super) fn ignored(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {VAULT}}}
spec:
  schedulerName: nobody
  containers: [{{name: app, image: app}}]
"
    )
}

/// A Binding of a pod to a node, as anybody could write it.
pub(super) fn binding(pod: &str, uid: &str, node: &str) -> String {
    json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod, "uid": uid},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node}})
    .to_string()
}
