//! Measures what Trustpool costs; see `make bench`, or `bench --help`.

use clap::Parser as _;
use trustpool_harness::bench::Cli;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Cli::parse().run().await
}
