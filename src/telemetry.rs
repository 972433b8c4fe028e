//! Logs: how they look, and how an error is printed with its causes.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::process::ExitCode;
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

/// What a program ends with: an error goes to standard error, in one line.
#[expect(
    clippy::print_stderr,
    reason = "a mistyped log filter is one of the errors, so the log may not be there yet"
)]
#[must_use]
pub fn exit_code(ended: anyhow::Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", Chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Prints an error and all its causes, `: ` between them, but for those that were printed already:
/// many an error quotes its cause.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.contains(&text) {
                said.push_str(": ");
                said.push_str(&text);
            }
            cause = error.source();
        }
        f.write_str(&said)
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
        let quoted = anyhow::anyhow!("not found").context("no file (not found)");
        assert_eq!(Chain(quoted.as_ref()).to_string(), "no file (not found)");
    }
}
