//! One sample: pods that wait, a kube-scheduler that starts, and the last of them bound.

use std::fmt;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};

use crate::Part;

use super::arena::Arena;
use super::binds::{Binds, warm};
use super::case::Case;
use super::cost::{Cost, Meter};
use super::pods::Pods;

/// The longest that kube-scheduler may take for all pods.
const LONGEST: Duration = Duration::from_secs(280);

/// How often to look whether all are bound.
const PAUSE: Duration = Duration::from_millis(20);

/// What was seen.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Pods bound in a second.
    pub bound: f64,
    /// Pods made in a second.
    pub made: f64,
    /// Bindings that were refused, or failed.
    pub refused: usize,
    /// What one pod has cost.
    pub cost: Cost,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} pods/s, made {:.0}/s", self.bound, self.made)?;
        if self.refused > 0 {
            write!(f, ", {} Bindings refused", self.refused)?;
        }
        write!(f, "; ms per pod: {}", self.cost)
    }
}

impl Arena {
    /// Takes a sample of `case`, with `count` pods.
    ///
    /// # Errors
    ///
    /// If a pod is not bound, or Trustpool was not asked as it should have been.
    pub async fn sample(&mut self, case: Case, count: usize) -> anyhow::Result<Sample> {
        self.install(case.installed()).await?;
        let (pods, made) = Pods::make(self.admin(), case.pods(), count).await?;
        let before = self.answered().await?;
        let (binds, cost) = self.schedule(case, count).await?;
        self.check(case, before, count).await?;
        pods.delete().await?;
        Ok(Sample {
            bound: binds.rate(),
            made,
            refused: binds.refused,
            cost,
        })
    }

    /// Sees that Trustpool was asked about each pod, or about none, since `before`.
    async fn check(&self, case: Case, before: [f64; 2], count: usize) -> anyhow::Result<()> {
        let after = self.answered().await?;
        for ((after, before), asked) in after.into_iter().zip(before).zip(case.is_asked()) {
            let (questions, least) = (after - before, if asked { count as f64 } else { 0.0 });
            let right = questions >= least && (asked || questions <= 0.0);
            ensure!(right, "{case}: asked {questions} times about {count} pods");
        }
        Ok(())
    }

    /// Has all pods bound.
    async fn schedule(&mut self, case: Case, count: usize) -> anyhow::Result<(Binds, Cost)> {
        let mut binds = Binds::from_now(self.world.plane.audit().path())?;
        let scheduler = case.scheduler(&self.world.addresses.url_prefix(), &self.prepared.1);
        self.world.plane.start_scheduler(&scheduler).await?;
        let meter = self.meter()?;
        self.until(&mut binds, warm(count)).await?;
        let metered = meter.start(binds.bound.len())?;
        self.until(&mut binds, count).await?;
        let metrics = self.world.plane.scheduler_metrics().await?;
        let cost = metered.end(binds.bound.len(), &metrics)?;
        self.world.plane.part(Part::Scheduler)?.stop().await?;
        Ok((binds, cost))
    }

    /// Waits until so many are bound.
    async fn until(&mut self, binds: &mut Binds, count: usize) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            binds.read()?;
            let bound = binds.bound.len();
            if bound >= count {
                return Ok(());
            }
            let words = self.world.plane.part(Part::Scheduler)?;
            let in_time = started.elapsed() < LONGEST;
            ensure!(
                in_time,
                "{bound} of {count} pods bound:\n{}",
                words.tail(20)
            );
            sleep(PAUSE).await;
        }
    }

    /// Everything that runs.
    fn meter(&mut self) -> anyhow::Result<Meter> {
        let mut programs = Vec::new();
        for (name, part) in [
            ("kube-scheduler", Part::Scheduler),
            ("kube-apiserver", Part::ApiServer),
            ("etcd", Part::Etcd),
        ] {
            programs.push((name, self.world.plane.part(part)?.id()));
        }
        programs.push(("prepared extender", self.prepared.0.id()));
        let [controller, gate] = ["Trustpool's controller", "its gate"];
        if let Some(roles) = &self.roles {
            programs.push((controller, roles.controller.id()));
            programs.push((gate, roles.gate.id()));
        }
        Ok(Meter(programs))
    }
}
