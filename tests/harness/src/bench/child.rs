//! The measured server as a process of its own: only so are its memory and its time its own.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use crate::{Process, Program};

use super::client::Connection;
use super::server::Serve;

/// How long the server may take to listen.
const START: Duration = Duration::from_secs(30);

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    process: Process,
    address: SocketAddr,
    _directory: TempDir,
}

/// What a process has of memory, in MiB.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Now.
    pub resident: f64,
    /// At most since it began.
    pub peak: f64,
}

impl Memory {
    /// What the process with this id has.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn of(process: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{process}/status");
        let status =
            std::fs::read_to_string(&path).with_context(|| format!("failed to read `{path}`"))?;
        let field = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
            let number = number.with_context(|| format!("`{path}` has no `{name}`"))?;
            Ok(number.trim().parse::<f64>()? / 1024.0)
        };
        Ok(Self {
            resident: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }
}

impl Child {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn start(serve: Serve) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let ourselves = std::env::current_exe().context("failed to find this program")?;
        let program = Program::new("server", &ourselves).args([
            "serve",
            "--nodes",
            &serve.nodes.to_string(),
            "--untrusted",
            &serve.untrusted.to_string(),
        ]);
        let mut process = program.start(directory.path())?;
        let line = process.prints("listening on ", START).await?;
        let address = line.trim_start_matches("listening on ").trim().parse()?;
        Ok(Self {
            process,
            address,
            _directory: directory,
        })
    }

    /// A connection to it.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address)
    }

    /// What it has of memory.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        Memory::of(self.process.id())
    }
}
