//! kube-apiserver, with Node authorization, NodeRestriction and an audit log of everything.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use serde_json::{Value, json};

use super::{ControlPlane, Part, START, files, page};
use crate::Program;

/// The names and addresses of the servers of a control plane.
pub(super) const NAMES: [&str; 5] = [
    "127.0.0.1",
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// The audit log.
pub(super) const AUDIT_LOG: &str = "audit.log";

/// What goes into it.
const AUDIT_POLICY: &str = "audit-policy.json";

/// In MiB: more than any test writes. By default the log is rotated away after 100.
const AUDIT_LOG_SIZE: u32 = 100_000;

/// By how many percent memory may grow until its garbage is collected, 100 by default: there is more of memory than of
/// processors where tests run.
const GARBAGE: &str = "400";

/// How much goes into the audit log.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Audit {
    /// Who asked for what, and how that ended.
    #[default]
    Metadata,
    /// The objects too, where `trustpool-observer` needs them.
    Observed,
}

impl ControlPlane {
    /// Starts the API server without waiting for it.
    pub(super) fn spawn_api_server(
        &mut self,
        etcd: &str,
        audit: Audit,
        more: &[String],
    ) -> anyhow::Result<()> {
        files::write_one(self.directory(), AUDIT_POLICY, &audit.policy())?;
        let (_, port) = self
            .server
            .rsplit_once(':')
            .context("the server's URL has no port")?;
        let program = Program::new("kube-apiserver", &self.binaries.path("kube-apiserver"))
            .arg(format!("--etcd-servers={etcd}"))
            .arg(format!("--secure-port={port}"))
            .args(flags())
            .args(more)
            .env("GOGC", GARBAGE);
        let api_server = program.start(self.directory())?;
        self.parts.insert(Part::ApiServer, api_server);
        Ok(())
    }

    /// Waits until the API server is ready, with the namespaces that it makes itself. For after a
    /// restart of etcd or the API server, too.
    ///
    /// # Errors
    ///
    /// If it ends, or is not ready in time: with its last log lines.
    pub async fn api_server_ready(&mut self) -> anyhow::Result<()> {
        let client = self.client().await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let look = async || {
            page(&client, "/readyz").await?;
            namespaces.get("default").await?;
            Ok(())
        };
        self.part(Part::ApiServer)?.ready(START, look).await
    }
}

/// The flags that do not depend on ports.
fn flags() -> Vec<String> {
    vec![
        "--bind-address=127.0.0.1".to_owned(),
        "--cert-dir=.".to_owned(),
        format!("--tls-cert-file={}", files::SERVING_CERTIFICATE),
        format!("--tls-private-key-file={}", files::SERVING_KEY),
        format!("--client-ca-file={}", files::CA),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", files::TOKEN_PUBLIC_KEY),
        format!("--service-account-signing-key-file={}", files::TOKEN_KEY),
        "--endpoint-reconciler-type=none".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--audit-policy-file={AUDIT_POLICY}"),
        format!("--audit-log-path={AUDIT_LOG}"),
        format!("--audit-log-maxsize={AUDIT_LOG_SIZE}"),
    ]
}

impl Audit {
    /// Everything, once: when it has been answered (and when a watch begins).
    fn policy(self) -> String {
        let everything = json!({"level": "Metadata"});
        let rules = match self {
            Self::Metadata => vec![everything],
            Self::Observed => vec![observed(), everything],
        };
        json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitManagedFields": true,
            "omitStages": ["RequestReceived"],
            "rules": rules,
        })
        .to_string()
    }
}

/// The rule for what `trustpool-observer` reads.
fn observed() -> Value {
    json!({
        "level": "RequestResponse",
        "verbs": ["create", "delete", "deletecollection", "patch", "update"],
        "resources": [
            {"group": "", "resources": [
                "bindings", "namespaces", "nodes", "nodes/status", "pods", "pods/binding", "pods/status",
            ]},
            {"group": "trustpool.dev", "resources": ["nodetrusts", "nodetrusts/status"]},
        ],
    })
}
