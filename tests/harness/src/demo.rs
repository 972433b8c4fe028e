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
mod numbers;
mod scene;
mod screen;
mod service;
mod story;
mod text;

use anyhow::Context as _;
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
        // Ctrl-C ends our kubectl too: what the story makes of that is nothing to tell.
        biased;
        stopped = stopped() => stopped.map(|()| false),
        told = story::tell(&mut screen, &mut scene) => told.map(|()| true),
    };
    match told {
        Ok(true) => screen.end(),
        Ok(false) => screen.stop(),
        Err(ref error) => refute(&screen, scene.as_mut(), error),
    }
    match scene {
        Some(scene) if ending == Ending::Keep && matches!(told, Ok(true)) => {
            keep(&screen, &scene).await
        }
        _ => matches!(told, Ok(true)),
    }
}

/// Says what was not so, and shows what may tell why.
fn refute(screen: &Screen, scene: Option<&mut Scene>, error: &anyhow::Error) {
    screen.refute(error);
    if let Some(scene) = scene {
        scene.last_words(screen);
    }
}

/// Prints how everything is reached, and waits until it is to end.
async fn keep(screen: &Screen, scene: &Scene) -> bool {
    screen.say("\nEverything is left running, until Ctrl-C; then nothing of it survives.");
    screen.say("With these set, `$KUBECTL --kubeconfig $KUBECONFIG get trust` asks the API server, by the kubectl that the demo built.");
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
