//! What the demo prints. Colours and a spinner only on a terminal.

use std::fmt::Display;
use std::io::{IsTerminal as _, Stdout, Write as _, stdout};
use std::pin::pin;
use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, interval};

/// How many steps the story has.
const STEPS: usize = 10;

/// How often the spinner turns.
const TURN: Duration = Duration::from_millis(100);

/// Its faces.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

const BOLD: &str = "1";
const CYAN: &str = "36";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "31";

/// The standard output.
#[derive(Debug)]
pub(super) struct Screen {
    out: Stdout,
    is_terminal: bool,
    started: Instant,
    step: usize,
    claims: usize,
}

impl Screen {
    /// Starts the story's time.
    pub(super) fn new() -> Self {
        Self {
            out: stdout(),
            is_terminal: stdout().is_terminal(),
            started: Instant::now(),
            step: 0,
            claims: 0,
        }
    }

    /// Starts the story's time anew: what went before was not ours.
    pub(super) fn restart_clock(&mut self) {
        self.started = Instant::now();
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        let heading = format!("{}/{STEPS}  {title}", self.step);
        self.raw(&format!("\n{}", self.paint(BOLD, &heading)));
    }

    /// Tells something.
    pub(super) fn say(&self, text: &str) {
        for line in text.lines() {
            self.raw(&format!("  {line}"));
        }
    }

    /// Shows a command as it is typed.
    pub(super) fn command(&self, line: &str) {
        self.raw(&format!("  {}", self.paint(CYAN, &format!("$ {line}"))));
    }

    /// Shows what a command printed.
    pub(super) fn output(&self, text: &str) {
        for line in text.trim_end().lines() {
            self.raw(&self.paint(DIM, format!("  {line}").trim_end()));
        }
    }

    /// Makes a claim that was checked; `detail` is what was seen.
    ///
    /// # Errors
    ///
    /// If it does not hold.
    pub(super) fn claim(
        &mut self,
        holds: bool,
        text: &str,
        detail: impl Display,
    ) -> anyhow::Result<()> {
        if !holds {
            bail!("{text} ({detail})");
        }
        self.claims += 1;
        let tick = self.paint(GREEN, "✓");
        self.raw(&format!("  {tick} {text} ({detail})"));
        Ok(())
    }

    /// Says what turned out not to be so.
    pub(super) fn refute(&self, error: &anyhow::Error) {
        let cross = self.paint(RED, "✗");
        self.raw(&format!("  {cross} not so: {error:#}"));
    }

    /// The last line of a story that was stopped before its end.
    pub(super) fn stop(&self) {
        if self.is_terminal {
            self.draw("");
        }
        let line = format!(
            "Stopped before the end; {} claims were checked.",
            self.claims
        );
        self.raw(&format!("\n{}", self.paint(BOLD, &line)));
    }

    /// The last line of a story in which everything was so.
    pub(super) fn end(&self) {
        let took = self.started.elapsed().as_secs();
        let line = format!("All {} claims were checked, in {took} s.", self.claims);
        self.raw(&format!("\n{}", self.paint(BOLD, &line)));
    }

    /// Prints a line as it is.
    pub(super) fn raw(&self, line: &str) {
        // A reader who has gone away must not end the story before its claims are checked.
        drop(writeln!(self.out.lock(), "{line}"));
    }

    /// Shows that something is awaited, and for how long by now.
    pub(super) async fn wait<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        if !self.is_terminal {
            self.raw(&format!("  … {what}"));
            return work.await;
        }
        let mut work = pin!(work);
        let mut ticks = interval(TURN);
        let started = Instant::now();
        for face in SPINNER.iter().cycle() {
            tokio::select! {
                biased;
                done = &mut work => {
                    self.draw("");
                    return done;
                }
                _ = ticks.tick() => {
                    let seconds = started.elapsed().as_secs();
                    self.draw(&self.paint(DIM, &format!("  {face} {what}, {seconds} s")));
                }
            }
        }
        work.await
    }

    /// Replaces the line that the cursor is in.
    fn draw(&self, line: &str) {
        let mut out = self.out.lock();
        drop(write!(out, "\r{line}\x1b[K").and_then(|()| out.flush()));
    }

    /// Colours a text, on a terminal.
    fn paint(&self, code: &str, text: &str) -> String {
        if self.is_terminal {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}
