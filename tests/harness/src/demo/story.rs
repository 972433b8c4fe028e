//! The story, step by step.

mod gates;
mod losses;
mod opening;
mod outage;
mod pods;

use super::scene::Scene;
use super::screen::Screen;

/// Tells it, leaving what runs in `scene`.
///
/// # Errors
///
/// If a claim does not hold, or something cannot be done.
pub(super) async fn tell(screen: &mut Screen, scene: &mut Option<Scene>) -> anyhow::Result<()> {
    screen.step("A cluster, an attestation service, a trust pool");
    screen.say("Everything runs on loopback, as processes of its own.");
    let scene = scene.insert(Scene::start(screen).await?);
    opening::configure(scene, screen).await?;
    opening::first_pod(scene, screen).await?;
    opening::nodes(scene, screen).await?;
    pods::twenty_and_twenty(scene, screen).await?;
    gates::around(scene, screen).await?;
    losses::turned(scene, screen).await?;
    losses::rebooted(scene, screen).await?;
    losses::silenced(scene, screen).await?;
    let marks = outage::stopped(scene, screen).await?;
    outage::back(scene, screen, &marks).await
}
