//! A pretend OpenAttestation service; see `--help`.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use trustpool::clock::Clock;
use trustpool::simulator::args::Args;
use trustpool::simulator::run;
use trustpool::telemetry::{Colour, Format, init};

#[tokio::main]
#[expect(
    clippy::print_stderr,
    reason = "a mistyped `--log` is one of the errors, so the log may not be there yet"
)]
async fn main() -> ExitCode {
    match play(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the service until SIGTERM or SIGINT.
async fn play(args: Args) -> Result<()> {
    let colour = if io::stderr().is_terminal() {
        Colour::On
    } else {
        Colour::Off
    };
    init(args.filter()?, Format::Text, colour);
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let mut running = Box::pin(run(args.config()?, Clock::system(), stop.clone()));
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    stop.cancel();
    Ok(running.await?)
}
