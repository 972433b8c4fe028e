//! Logs: how they look, and how an error is printed with its causes.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::sync::Mutex;

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    #[default]
    Text,
}

/// Colours in log lines.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Colour {
    /// Never.
    Off,
    /// On.
    On,
}

/// Sends every log line to standard error from here on; does nothing if that is set up already.
pub fn init(filter: EnvFilter, format: Format, colour: Colour) {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(colour == Colour::On)
        .with_writer(std::io::stderr);
    let set = match format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        Format::Text => builder.try_init(),
    };
    drop(set);
}

/// What sends log lines to `file`, as far as `filter` lets them through: for tests, which run many
/// Trustpools in one process.
#[must_use]
pub fn to_file(file: File, filter: &str) -> Dispatch {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(false)
        .with_writer(Mutex::new(file));
    Dispatch::new(builder.finish())
}

/// Prints an error and all its causes, `: ` between them.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_prints_every_cause_once() {
        let error = anyhow::anyhow!("connection refused").context("asking `oat`");
        let error: Box<dyn Error + Send + Sync> = error.into();

        assert_eq!(
            Chain(&*error).to_string(),
            "asking `oat`: connection refused"
        );
    }
}
