//! `make demo`: Trustpool on a real control plane, as a story whose every claim is checked.

use std::process::ExitCode;

use clap::Parser;
use clap::builder::FalseyValueParser;
use trustpool_harness::demo::{Ending, play};

/// Shows Trustpool at work, and fails if anything that it says is not so.
#[derive(Debug, Parser)]
struct Options {
    /// Leave everything running at the end, and print how to reach it.
    #[arg(long, env = "KEEP", value_parser = FalseyValueParser::new())]
    keep: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let ending = if Options::parse().keep {
        Ending::Keep
    } else {
        Ending::Leave
    };
    if play(ending).await {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
