//! The cluster, as an administrator reaches it: by kubectl, helm and docker.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard};
use trustpool_harness::eventually;

/// Where Trustpool is.
pub const NAMESPACE: &str = "trustpool-system";

/// The node whose host is trusted, and the one whose host is not.
pub const TRUSTED: &str = "trustpool-worker";
pub const UNTRUSTED: &str = "trustpool-worker2";

/// The label that says so.
pub const TRUST: &str = "trustpool.dev.node-restriction.kubernetes.io/trust";

/// How long anything may take: a node is given up after 43 s without a heartbeat, and pods are pulled up.
pub const LONG: Duration = Duration::from_mins(3);

/// Tests of one cluster take turns.
static TURN: Mutex<()> = Mutex::const_new(());

/// How Trustpool is installed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Install {
    /// As it comes.
    Default,
    /// With the filter as well, on the control-plane node.
    Extender,
}

/// The cluster, while it is one test's.
pub struct Cluster {
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Waits for the turn, and installs Trustpool, if it is not so already.
    pub async fn take(install: Install) -> anyhow::Result<Self> {
        let cluster = Self {
            _turn: TURN.lock().await,
        };
        cluster.install(install, &[]).await?;
        // Whatever a test that failed has left.
        cluster.docker(&["start", TRUSTED]).await?;
        cluster.distrust(None).await?;
        cluster.labelled(TRUSTED, Some("trusted")).await?;
        cluster.labelled(UNTRUSTED, Some("untrusted")).await?;
        Ok(cluster)
    }

    /// Installs or upgrades the chart, with more flags.
    pub async fn install(&self, install: Install, more: &[&str]) -> anyhow::Result<()> {
        let extender = format!("extender.enabled={}", install == Install::Extender);
        let (chart, values) = (
            project("charts/trustpool"),
            project("tests/kind/values.yaml"),
        );
        let mut arguments = vec![
            "upgrade",
            "--install",
            "trustpool",
            &chart,
            "--namespace",
            NAMESPACE,
        ];
        arguments.extend([
            "--values",
            &values,
            "--set",
            &extender,
            "--wait",
            "--timeout",
            "5m",
        ]);
        arguments.extend(more);
        self.helm(&arguments).await.map(drop)
    }

    /// Runs helm, and returns what it printed.
    pub async fn helm(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let helm = run(&project("tests/controlplane/helm/build"), &[]).await?;
        run(helm.trim(), arguments).await
    }

    /// Runs kubectl, and returns what it printed.
    pub async fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run("kubectl", arguments).await
    }

    /// Runs docker, and returns what it printed.
    pub async fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run("docker", arguments).await
    }

    /// An object, as JSON.
    pub async fn get(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let all = [&["get", "--output=json"], arguments].concat();
        Ok(serde_json::from_str(&self.kubectl(&all).await?)?)
    }

    /// Applies `manifest`.
    pub async fn apply(&self, manifest: &Value) -> anyhow::Result<()> {
        let mut kubectl = Command::new("kubectl");
        kubectl
            .args(["apply", "--filename=-"])
            .stdin(Stdio::piped());
        let mut child = kubectl
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("no way in")?;
        input.write_all(manifest.to_string().as_bytes()).await?;
        drop(input);
        let ended = child.wait_with_output().await?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "kubectl apply: {said}");
        Ok(())
    }

    /// Waits until every pod of a Deployment runs.
    pub async fn rolled_out(&self, deployment: &str, namespace: &str) -> anyhow::Result<()> {
        let deployment = format!("deployment/{deployment}");
        let status = ["rollout", "status", &deployment, "--timeout=2m"];
        let at = ["--namespace", namespace];
        self.kubectl(&[&status[..], &at].concat()).await?;
        Ok(())
    }

    /// Waits until a Node carries the trust label `expected`.
    pub async fn labelled(&self, node: &str, expected: Option<&str>) -> anyhow::Result<()> {
        eventually(
            LONG,
            &format!("{node} is labelled {expected:?}"),
            async || {
                let object = self.get(&["node", node]).await?;
                let label = object["metadata"]["labels"][TRUST].as_str();
                ensure!(label == expected, "it is labelled {label:?}");
                Ok(())
            },
        )
        .await
    }

    /// Says, or takes back, that the trusted node is not to be trusted.
    pub async fn distrust(&self, reason: Option<&str>) -> anyhow::Result<()> {
        let distrust = reason.map(|reason| json!({"reason": reason}));
        let patch = json!({"spec": {"distrust": distrust}}).to_string();
        let patch = ["patch", "nodetrust", TRUSTED, "--type=merge", "-p", &patch];
        eventually(LONG, "there is a record", async || {
            self.kubectl(&patch).await.map(drop)
        })
        .await
    }

    /// Makes a namespace in which every pod asks, anew.
    pub async fn asking_namespace(&self, name: &str) -> anyhow::Result<()> {
        self.drop_namespace(name).await?;
        self.kubectl(&["create", "namespace", name]).await?;
        let label = ["label", "namespace", name, "trustpool.dev/require=trusted"];
        self.kubectl(&label).await.map(drop)
    }

    /// Deletes a namespace, if it is there, and waits until it is gone.
    pub async fn drop_namespace(&self, name: &str) -> anyhow::Result<()> {
        let delete = [
            "delete",
            "namespace",
            name,
            "--ignore-not-found",
            "--timeout=2m",
        ];
        self.kubectl(&delete).await.map(drop)
    }

    /// An image that every node has: that of the pods' own sandboxes, which does nothing for ever.
    pub async fn idle_image(&self) -> anyhow::Result<String> {
        let node = self.get(&["node", TRUSTED]).await?;
        let images = node["status"]["images"].as_array().context("no images")?;
        let names = images.iter().filter_map(|image| image["names"].as_array());
        let names = names.flatten().filter_map(Value::as_str);
        let mut pauses = names.filter(|name| name.contains("/pause:"));
        Ok(pauses
            .next()
            .context("no node has an image `pause`")?
            .to_owned())
    }

    /// Which node each pod of a namespace is on, and its phase: `NAME NODE PHASE`, in order.
    pub async fn placed(&self, namespace: &str) -> anyhow::Result<Vec<[String; 3]>> {
        let pods = self.get(&["pods", "--namespace", namespace]).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let pods = pods["items"].as_array().context("no items")?.iter();
        let line = |pod: &Value| {
            let (name, node) = (&pod["metadata"]["name"], &pod["spec"]["nodeName"]);
            [text(name), text(node), text(&pod["status"]["phase"])]
        };
        Ok(pods.map(line).collect())
    }
}

/// A file or folder of the project.
pub fn project(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join(Path::new(path)).display().to_string()
}

/// A Deployment of pods that do nothing.
pub fn deployment(name: &str, namespace: &str, replicas: u32, image: &str) -> Value {
    let labels = json!({"app": name});
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "main", "image": image, "imagePullPolicy": "Never"}],
                },
            },
        },
    })
}

/// Runs a program, and returns what it printed.
async fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output
        .await
        .with_context(|| format!("failed to run `{program}`"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "`{program} {}`: {said}",
        arguments.join(" ")
    );
    Ok(String::from_utf8(output.stdout)?)
}
