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
use trustpool::telemetry::{Colour, Format, exit_code, init};

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(play(Args::parse()).await)
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
