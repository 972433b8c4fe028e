//! Trustpool; see `trustpool --help`.

use std::process::ExitCode;

use clap::Parser;
use trustpool::cli::Cli;
use trustpool::telemetry::exit_code;

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(Cli::parse().run().await)
}
