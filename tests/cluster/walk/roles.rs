//! Trustpool in a walk: its roles, each of which runs where the leg says, dies, freezes and comes back.

use std::path::Path;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use trustpool::clock::Clock;
use trustpool::leader::{LEASE, RETRY};
use trustpool_harness::{Home, Identity, Proxy, Role, Signal, World};
use trustpool_observer::Gaps;

use super::step::{Place, Who};

/// Both roles.
pub struct Roles {
    controller: Slot,
    gate: Slot,
    /// Between the gate and the API server.
    proxy: Proxy,
    /// Since when the gate's connections stand still.
    still_since: Option<Timestamp>,
    /// When the controller heard nothing.
    pub controller_gaps: Gaps,
    /// When the gate's watches showed nothing.
    pub gate_gaps: Gaps,
    /// Nobody moves it.
    real: Clock,
}

/// One role.
struct Slot {
    user: Identity,
    place: Place,
    running: Option<Role>,
    frozen: bool,
    /// Since when it is dead or frozen.
    out_since: Option<Timestamp>,
}

impl Slot {
    const fn new(user: Identity) -> Self {
        Self {
            user,
            place: Place::Here,
            running: None,
            frozen: false,
            out_since: None,
        }
    }

    fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        let process = self.running.as_mut().and_then(Role::as_process);
        process.context("it is no process")?.signal(signal)
    }

    /// Ends it: a process at once, what runs here as soon as it can.
    async fn kill(&mut self) -> anyhow::Result<()> {
        self.frozen = false;
        let Some(mut role) = self.running.take() else {
            return Ok(());
        };
        let Some(process) = role.as_process() else {
            return role.stop().await;
        };
        let ended = process.ended()?;
        ensure!(
            ended.is_none(),
            "{} ended by itself: {ended:?}",
            process.name()
        );
        process.kill()
    }
}

impl Roles {
    /// Neither runs yet.
    pub async fn new(world: &World) -> anyhow::Result<Self> {
        let server = world.plane.server().strip_prefix("https://");
        let server = server.context("the API server has no TLS")?;
        let proxy = Proxy::start(server.parse()?).await?;
        let gate = world.users.gate.through(proxy.address())?;
        Ok(Self {
            controller: Slot::new(world.users.controller.clone()),
            gate: Slot::new(gate),
            proxy,
            still_since: None,
            controller_gaps: Gaps::default(),
            gate_gaps: Gaps::default(),
            real: Clock::system(),
        })
    }

    const fn slot(&mut self, who: Who) -> &mut Slot {
        match who {
            Who::Controller => &mut self.controller,
            Who::Gate => &mut self.gate,
        }
    }

    /// Where a role runs in this leg.
    pub const fn place(&self, who: Who) -> Place {
        match who {
            Who::Controller => self.controller.place,
            Who::Gate => self.gate.place,
        }
    }

    /// Begins a leg: whatever runs ends, and both start anew.
    pub async fn leg(&mut self, world: &World, places: [(Who, Place); 2]) -> anyhow::Result<()> {
        self.thaw_watches();
        for (who, place) in places {
            self.thaw(who)?;
            self.kill(who).await.with_context(|| format!("{who:?}"))?;
            self.slot(who).place = place;
            self.start(who, world)?;
        }
        self.ready().await
    }

    /// Waits until both answer, which must run.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        for who in [Who::Controller, Who::Gate] {
            let running = self.slot(who).running.as_mut();
            running.context("it does not run")?.ready().await?;
        }
        Ok(())
    }

    /// Ends a role, if it runs.
    pub async fn kill(&mut self, who: Who) -> anyhow::Result<()> {
        self.out(who);
        self.slot(who).kill().await
    }

    /// Starts a role, unless it runs.
    pub fn start(&mut self, who: Who, world: &World) -> anyhow::Result<()> {
        let slot = self.slot(who);
        if slot.running.is_some() {
            return Ok(());
        }
        let home = match slot.place {
            Place::Here => Home::Here(world.clock.clone()),
            Place::Process => Home::Process(env!("CARGO_BIN_EXE_trustpool").into()),
        };
        let (at, directory): (_, &Path) = (world.addresses, world.plane.directory());
        slot.running = Some(match who {
            Who::Controller => Role::controller("controller", &slot.user, at, &home, directory)?,
            Who::Gate => Role::gate("gate", &slot.user, at, &home, directory)?,
        });
        self.back(who);
        Ok(())
    }

    /// Freezes a role, if it runs as a process.
    pub fn freeze(&mut self, who: Who) -> anyhow::Result<()> {
        let slot = self.slot(who);
        if slot.place == Place::Process && slot.running.is_some() && !slot.frozen {
            slot.frozen = true;
            slot.signal(Signal::Stop)?;
            self.out(who);
        }
        Ok(())
    }

    /// Lets it go on, if it is frozen.
    pub fn thaw(&mut self, who: Who) -> anyhow::Result<()> {
        let slot = self.slot(who);
        if slot.frozen {
            slot.frozen = false;
            slot.signal(Signal::Continue)?;
            self.back(who);
        }
        Ok(())
    }

    /// Lets nothing through that the gate asked the API server for so far.
    pub fn freeze_watches(&mut self) {
        let now = self.real.wall();
        self.still_since.get_or_insert(now);
        self.proxy.freeze();
    }

    /// Lets it through.
    pub fn thaw_watches(&mut self) {
        self.proxy.thaw();
        if let Some(since) = self.still_since.take() {
            self.gate_gaps.add(since, self.real.wall());
        }
    }

    /// Notes that a role hears nothing.
    fn out(&mut self, who: Who) {
        let now = self.real.wall();
        self.slot(who).out_since.get_or_insert(now);
    }

    /// Notes that it hears again. What the gate misses while it is out it answers nothing about.
    fn back(&mut self, who: Who) {
        let now = self.real.wall();
        if let Some(since) = self.slot(who).out_since.take()
            && who == Who::Controller
        {
            // Until the Lease of the one before has run out, it does not lead.
            let leads = now + (LEASE + 2 * RETRY);
            self.controller_gaps.add(since, leads);
        }
    }
}
