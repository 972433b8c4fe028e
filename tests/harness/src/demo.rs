//! What `make demo` plays: Trustpool and an attestation service on a real control plane, in steps
//! with the commands that a user would type and what they print.
//!
//! ```text
//!   play ── story ──> scene ── what runs: control plane, oat-simulator, trustpool
//!             │         ├───── look ────── what they say now
//!             │         └───── evidence ── what happened when, by the audit log
//!             └─────> screen ─ what is printed; every claim is checked before it is made
//! ```

mod cast;
mod evidence;
mod look;
mod scene;
mod screen;
mod service;
mod story;
mod text;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};

use self::scene::Scene;
use self::screen::Screen;

/// What becomes of everything when the story is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ending {
    /// It runs until Ctrl-C or SIGTERM.
    Keep,
    /// It ends.
    Leave,
}

/// Tells the story. Says whether every claim held.
pub async fn play(ending: Ending) -> bool {
    let mut screen = Screen::new();
    let mut scene = None;
    let told = tokio::select! {
        told = story::tell(&mut screen, &mut scene) => told,
        stopped = stopped() => stopped.and_then(|()| bail!("stopped before the end")),
    };
    if let Err(error) = told {
        screen.refute(&error);
        if let Some(scene) = &mut scene {
            scene.last_words(&screen);
        }
        return false;
    }
    screen.end();
    match scene {
        Some(scene) if ending == Ending::Keep => keep(&screen, &scene).await,
        _ => true,
    }
}

/// Prints how everything is reached, and waits until it is to end.
async fn keep(screen: &Screen, scene: &Scene) -> bool {
    screen.say("\nEverything is left running, until Ctrl-C; then nothing of it survives.");
    for (name, value) in scene.addresses() {
        screen.raw(&format!("{name}={value}"));
    }
    stopped().await.is_ok()
}

/// Waits for Ctrl-C or SIGTERM.
async fn stopped() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to await SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to await SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}
