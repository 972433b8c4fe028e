//! A gate that is replaced as the `DaemonSet` of the chart replaces the filter: on the machine's own ports, every one of
//! which it may share with its successor, and with a socket of its own. It serves both, which is harder.

use std::path::PathBuf;
use std::process::Command;

use anyhow::ensure;
use trustpool_harness::{Process, Program, SOON, World, eventually};

use super::binary;

pub struct Gate {
    pub process: Process,
    socket: PathBuf,
}

impl Gate {
    /// Starts it; `number` is no other's.
    pub fn start(world: &World, number: usize) -> anyhow::Result<Self> {
        let directory = world.plane.directory();
        let socket = directory.join(format!("gate-{number}.sock"));
        let pki = |file: &str| directory.join("pki").join(file);
        let program = Program::new(&format!("trustpool-gate-{number}"), binary())
            .arg("gate")
            .arg("--kubeconfig")
            .arg(world.users.gate.kubeconfig())
            .arg("--admin-socket")
            .arg(&socket)
            .arg("--extender-tls-cert")
            .arg(pki("extender.crt"))
            .arg("--extender-tls-key")
            .arg(pki("extender.key"))
            .arg("--extender-client-ca")
            .arg(pki("ca.crt"))
            .args(world.addresses.gate_flags());
        let process = program.start(directory)?;
        Ok(Self { process, socket })
    }

    /// Waits until `trustpool probe` says that it is ready, as a kubelet does.
    pub async fn ready(&self) -> anyhow::Result<()> {
        eventually(SOON, "the gate is ready", async || {
            let mut probe = Command::new(binary());
            let probe = probe.arg("probe").arg("--admin-socket").arg(&self.socket);
            let output = probe.output()?;
            let error = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{error}");
            Ok(())
        })
        .await
    }
}
