//! kube-controller-manager.

use super::{ControlPlane, MASTERS, Part, START, files, page};
use crate::{Program, free_port};

impl ControlPlane {
    /// Starts kube-controller-manager, and returns when it is ready.
    ///
    /// Without `heartbeats` (no kwok, no kubelets) it never finds a node silent, so a node stays
    /// as Ready as it was made.
    ///
    /// # Errors
    ///
    /// If it ends, or is not ready in time: with its last log lines.
    pub async fn start_controller_manager(&mut self, heartbeats: bool) -> anyhow::Result<()> {
        let port = free_port()?;
        let identity = self.user("system:kube-controller-manager", &[MASTERS])?;
        let path = self.binaries.path("kube-controller-manager");
        let mut program = Program::new("kube-controller-manager", &path)
            .arg("--kubeconfig")
            .arg(identity.kubeconfig())
            .args(flags())
            .arg(format!("--secure-port={port}"));
        if !heartbeats {
            program = program.arg("--node-monitor-grace-period=24h");
        }
        let controller_manager = program.start(self.directory())?;
        self.parts
            .insert(Part::ControllerManager, controller_manager);
        let client = self.client_of(port)?;
        let look = async || page(&client, "/healthz").await.map(drop);
        self.part(Part::ControllerManager)?.ready(START, look).await
    }
}

/// The flags that are always the same. Its own limit of 20 requests a second would make 5,000
/// nodes wait for minutes.
fn flags() -> Vec<String> {
    vec![
        "--leader-elect=false".to_owned(),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--tls-cert-file={}", files::SERVING_CERTIFICATE),
        format!("--tls-private-key-file={}", files::SERVING_KEY),
        format!("--service-account-private-key-file={}", files::TOKEN_KEY),
        format!("--root-ca-file={}", files::CA),
        "--kube-api-qps=1000".to_owned(),
        "--kube-api-burst=2000".to_owned(),
    ]
}
