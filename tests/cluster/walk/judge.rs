//! Judging a walk, from outside.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use trustpool_harness::install::{GATE, USER};
use trustpool_observer::{Clock, Facts, Gaps, Report, observe, read_journal};

use super::step::Step;
use super::walker::{VALIDITY, Walker};

/// How far back the steps are shown that may have led to a violation.
const BEFORE: SignedDuration = SignedDuration::from_secs(20);

impl Walker {
    /// What the observer says of everything so far.
    pub async fn judge(&mut self) -> anyhow::Result<Report> {
        self.tenant.settle().await;
        self.roles.thaw_watches();
        // Trustpool goes on: whatever is in the log has its answer in a journal that is read later.
        let log = fs::read(self.world.plane.audit().path())?;
        let journal = self.world.simulator.journal().await?;
        let entries = read_journal(journal.as_bytes())?;
        observe(log.as_slice(), &entries, &self.facts())
    }

    /// What the observer must be told.
    fn facts(&self) -> Facts {
        let accounts = [USER, GATE].map(str::to_owned);
        let with_pulse = |gaps: &Gaps| {
            let mut gaps = gaps.clone();
            self.pulse.add_to(&mut gaps);
            gaps
        };
        Facts {
            clock: Clock::shifted(self.clock.iter().copied()),
            gate_clock: Clock::shifted(self.gate_clock.iter().copied()),
            controller_gaps: with_pulse(&self.roles.controller_gaps),
            gate_gaps: with_pulse(&self.roles.gate_gaps),
            ..Facts::new(VALIDITY, accounts)
        }
    }

    /// How long the machine was too slow, for a person.
    pub fn strain(&self) -> String {
        let (mut slow, roles) = (Gaps::default(), &self.roles);
        self.pulse.add_to(&mut slow);
        let (controller, watches) = (roles.controller_gaps.length(), roles.gate_gaps.length());
        format!(
            "controller out for {controller:#}, watches frozen for {watches:#}, machine slow for {:#}",
            slow.length()
        )
    }

    /// The violations of a report, each after the steps that led to it.
    pub fn story(&self, report: &Report) -> String {
        let mut story = String::new();
        let mut line = |text: String| writeln!(story, "{text}").unwrap();
        for violation in &report.violations {
            for (at, step) in self.steps_before(violation.at) {
                line(format!("  {at} {step:?}"));
            }
            line(violation.to_string());
        }
        line(format!("{:?}; {}", report.counts, self.strain()));
        story
    }

    fn steps_before(&self, end: Timestamp) -> impl Iterator<Item = &(Timestamp, Step)> {
        let near = move |at: Timestamp| at <= end && end.duration_since(at) < BEFORE;
        self.done.iter().filter(move |&&(at, _)| near(at))
    }

    /// Keeps what the observer has read, for whoever wants to know more; says where.
    pub async fn keep(&self, seed: u64) -> anyhow::Result<PathBuf> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("walk-{seed}"));
        fs::create_dir_all(&folder)?;
        let steps: String = self
            .done
            .iter()
            .map(|(at, step)| format!("{at} {step:?}\n"))
            .collect();
        fs::write(folder.join("steps"), steps)?;
        fs::write(folder.join("facts"), format!("{:#?}\n", self.facts()))?;
        fs::write(
            folder.join("journal.json"),
            self.world.simulator.journal().await?,
        )?;
        for entry in fs::read_dir(self.world.plane.directory())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
            }
        }
        Ok(folder)
    }
}
