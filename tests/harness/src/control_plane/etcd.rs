//! etcd, in memory as far as it goes: nothing is worth an fsync in a test.

use super::{ControlPlane, Part};
use crate::{Program, free_port};

impl ControlPlane {
    /// Starts etcd without waiting for it, and returns its URL. Whether it is ready is seen by the
    /// API server.
    pub(super) fn spawn_etcd(&mut self) -> anyhow::Result<String> {
        let client = format!("http://127.0.0.1:{}", free_port()?);
        let peer = format!("http://127.0.0.1:{}", free_port()?);
        let program = Program::new("etcd", &self.binaries.path("etcd"))
            .arg("--data-dir=etcd")
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster=default={peer}"))
            // Thousands of nodes, written several times over between two compactions.
            .arg("--quota-backend-bytes=8589934592")
            .args(["--unsafe-no-fsync", "--log-level=warn"]);
        let etcd = program.start(self.directory())?;
        self.parts.insert(Part::Etcd, etcd);
        Ok(client)
    }
}
