//! Trustpool; see `trustpool --help`.

use clap::Parser;
use trustpool::cli::Cli;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Cli::parse().run().await
}
