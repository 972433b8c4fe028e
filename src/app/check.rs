//! The check of an installation: what must be refused is asked for, by dry run, until it is refused.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tracing::info;

use crate::api::keys;
use crate::telemetry::Chain;

use super::connection::Connection;

/// How long the API server may take for one answer: longer than it waits for a webhook.
const ANSWER: Duration = Duration::from_secs(10);

/// How long to wait before the same is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

/// The name of all that is asked for. It has a dot, so that no machine is called so by chance.
const NAME: &str = "trustpool.check";

/// Any UID: there is no such pod, and the bind gate is asked before anybody looks for it.
const UID: &str = "00000000-0000-4000-8000-000000000000";

/// What a check is told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// How to reach the cluster; `None` is what kubectl would use, or the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// A namespace labelled `trustpool.dev/require: trusted`.
    pub namespace: String,
    /// How long what is asked for may be allowed, or refused by something else.
    pub timeout: Duration,
}

/// What must be refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    /// A Binding of a pod that is not there: the bind gate refuses it, since it has looked for the pod.
    Binding,
    /// A pod with a value that means nothing, which a policy refuses.
    Pod,
}

/// Asks until both are refused as they must be.
///
/// # Errors
///
/// One is not in time: the error says what was answered last.
pub async fn run(check: Check) -> anyhow::Result<()> {
    let connection = Connection::find(check.kubeconfig.as_deref()).await?;
    let client = connection.client()?;
    let pods = Api::namespaced(client, &check.namespace);
    for asked in [Asked::Pod, Asked::Binding] {
        let mut last = "no answer yet".to_owned();
        let refused = until_refused(&pods, asked, &mut last);
        if timeout(check.timeout, refused).await.is_err() {
            return Err(anyhow!("{last}").context(format!(
                "{} was not refused within {} s",
                asked.what(),
                check.timeout.as_secs()
            )));
        }
        info!("{} is refused, as it must be", asked.what());
    }
    Ok(())
}

/// Returns when what is asked for is refused as it must be; `last` is why it is not yet.
async fn until_refused(pods: &Api<Pod>, asked: Asked, last: &mut String) {
    loop {
        let answer = match timeout(ANSWER, asked.of(pods)).await {
            Ok(answer) => answer.map_err(said),
            Err(_) => Err("the API server does not answer".to_owned()),
        };
        let Err(other) = asked.judge(answer) else {
            return;
        };
        if *last != other {
            info!("{} is not refused yet: {other}", asked.what());
            *last = other;
        }
        sleep(AGAIN).await;
    }
}

/// What the API server said, or why it said nothing.
fn said(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message,
        other => Chain(&other).to_string(),
    }
}

impl Asked {
    const fn what(self) -> &'static str {
        match self {
            Self::Binding => "a Binding of a pod that is not there",
            Self::Pod => "a pod that asks for trust with a wrong value",
        }
    }

    /// Words of the refusal that must come, and of no other.
    const fn sign(self) -> &'static [&'static str] {
        match self {
            Self::Binding => &["required.bind.trustpool.dev", "there is no such pod"],
            Self::Pod => &["pods.trustpool.dev", "it must be `trusted` or `audit`"],
        }
    }

    /// Says whether `answer` is the refusal that must come; if not, what it is instead.
    fn judge(self, answer: Result<(), String>) -> Result<(), String> {
        match answer {
            Ok(()) => Err("it was allowed: are policies and webhook installed?".to_owned()),
            Err(said) if self.sign().iter().all(|words| said.contains(words)) => Ok(()),
            Err(said) => Err(said),
        }
    }

    /// Asks the API server for it, by dry run.
    async fn of(self, pods: &Api<Pod>) -> kube::Result<()> {
        let params = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        match self {
            Self::Binding => {
                let binding = binding();
                let answer = pods.create_subresource("binding", NAME, &params, &binding);
                answer.await.map(|_: Value| ())
            }
            Self::Pod => {
                let pod = serde_json::from_value(pod()).map_err(kube::Error::SerdeError)?;
                pods.create(&params, &pod).await.map(drop)
            }
        }
    }
}

fn binding() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": NAME, "uid": UID},
        "target": {"apiVersion": "v1", "kind": "Node", "name": NAME},
    })
}

/// A pod that nothing but our policy has a reason to refuse; it brings the selector, as below Kubernetes 1.36 it must.
fn pod() -> Value {
    let confined = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let amounts = json!({"cpu": "1m", "memory": "1Mi"});
    json!({
        "metadata": {"name": NAME, "annotations": {keys::REQUIRE: "check"}},
        "spec": {"automountServiceAccountToken": false, "nodeSelector": {keys::TRUST: "trusted"}, "containers": [{
            "name": "none",
            "image": "none",
            "resources": {"limits": amounts, "requests": amounts},
            "securityContext": confined,
        }]},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_refusal_counts() {
        let webhook = "admission webhook \"required.bind.trustpool.dev\" denied the request: ";
        let table = [
            (Asked::Pod, Ok(()), false),
            (
                Asked::Pod,
                Err("pods \"trustpool.check\" is forbidden: ValidatingAdmissionPolicy 'pods.trustpool.dev' with \
                     binding 'pods.trustpool.dev' denied request: annotation trustpool.dev/require is `check`: it must \
                     be `trusted` or `audit`"
                    .to_owned()),
                true,
            ),
            (
                Asked::Pod,
                Err("pods \"trustpool.check\" is forbidden: exceeded quota".to_owned()),
                false,
            ),
            (
                Asked::Binding,
                Err(format!(
                    "{webhook}it is not known what pod `a` asks of node `b`: there is no such pod"
                )),
                true,
            ),
            (
                Asked::Binding,
                Err(format!("{webhook}node `b` cannot be judged now: the watch is silent; try again")),
                false,
            ),
            (
                Asked::Binding,
                Err("failed calling webhook \"required.bind.trustpool.dev\": connection refused".to_owned()),
                false,
            ),
            (
                Asked::Binding,
                Err("pods \"trustpool.check\" not found".to_owned()),
                false,
            ),
        ];
        for (asked, answer, expected) in table {
            let judged = asked.judge(answer.clone());
            assert_eq!(judged.is_ok(), expected, "{asked:?} {answer:?}");
        }
    }
}
