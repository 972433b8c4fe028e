//! What was typed, lowered to what is meant. Every failure names the flag and the value.

mod check;
mod cleanup;
mod pki;
mod probe;
mod run;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::api;
use crate::clock::Clock;

use self::check::Check;
use self::cleanup::Cleanup;
use self::pki::Pki;
use self::probe::Probe;
use self::run::{Controller, Gate, Run};

/// Trusted compute pools for Kubernetes: pods that ask for trust run on attested nodes only.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
    Cleanup(Cleanup),
    /// Attest nodes and mark them: the role that writes.
    Controller(Box<Controller>),
    /// Print the custom resource definitions, or write them to a folder.
    Crds(Crds),
    /// Answer kube-scheduler and the API server: the role that only reads.
    Gate(Box<Gate>),
    Pki(Pki),
    Probe(Probe),
    /// Both roles in one process, for a small cluster.
    Run(Box<Run>),
}

#[derive(Args, Debug)]
struct Crds {
    /// Write one file for each definition to this folder, instead of all of them to standard output.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    ///
    /// It could not be done; the chain says why.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Check(it) => it.run().await,
            Command::Cleanup(it) => it.run().await,
            Command::Controller(it) => it.process.run(Some(it.controller.config()), None).await,
            Command::Crds(Crds { dir: None }) => print_crds(),
            Command::Crds(Crds { dir: Some(dir) }) => write_crds(&dir),
            Command::Gate(it) => {
                let (process, gate) = it.config();
                process.run(None, Some(gate)).await
            }
            Command::Pki(it) => it.run(&Clock::system()),
            Command::Probe(it) => it.run().await,
            Command::Run(it) => {
                let (controller, gate) = (it.controller.config(), it.gate.config());
                it.process.run(Some(controller), Some(gate)).await
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn print_crds() -> anyhow::Result<()> {
    for (_, yaml) in api::crds_yaml()? {
        print!("---\n{yaml}");
    }
    Ok(())
}

fn write_crds(dir: &Path) -> anyhow::Result<()> {
    for (name, yaml) in api::crds_yaml()? {
        let path = dir.join(name);
        std::fs::write(&path, yaml)
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}
