//! Bindings, as the API server's audit log has them: nobody has to watch while it is measured.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::AuditEvent;

/// What the line of a Binding holds, and few others.
const MARK: &str = r#""subresource":"binding""#;

/// Bindings since some moment.
#[derive(Debug)]
pub struct Binds {
    log: BufReader<File>,
    /// A line of which the end is still being written.
    begun: String,
    /// When each pod was bound.
    pub bound: Vec<Timestamp>,
    /// How many were refused, or failed.
    pub refused: usize,
}

impl Binds {
    /// Those from now on.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub fn from_now(path: &Path) -> anyhow::Result<Self> {
        let failed = || format!("failed to read `{}`", path.display());
        let mut file = File::open(path).with_context(failed)?;
        file.seek(SeekFrom::End(0)).with_context(failed)?;
        Ok(Self {
            log: BufReader::new(file),
            begun: String::new(),
            bound: Vec::new(),
            refused: 0,
        })
    }

    /// Reads what has been written meanwhile.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn read(&mut self) -> anyhow::Result<()> {
        while self.log.read_line(&mut self.begun)? > 0 {
            if !self.begun.ends_with('\n') {
                return Ok(());
            }
            if self.begun.contains(MARK) {
                self.take(&serde_json::from_str(&self.begun)?);
            }
            self.begun.clear();
        }
        Ok(())
    }

    fn take(&mut self, event: &AuditEvent) {
        if !event.is_write() || !event.is_for("pods", "binding") {
            return;
        }
        match event.response_status.code {
            200..300 => self.bound.push(event.stage_timestamp),
            _ => self.refused += 1,
        }
    }

    /// How many pods were bound in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        rate(&self.bound)
    }
}

/// How many of `count` pods are bound before the time runs: the first tenth, in which kube-scheduler
/// warms up.
#[must_use]
pub const fn warm(count: usize) -> usize {
    count / 10
}

/// How many there were in a second, from the last one of the first tenth to the last of all.
fn rate(times: &[Timestamp]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    let first = warm(times.len()).saturating_sub(1);
    let (Some(from), Some(to)) = (times.get(first), times.last()) else {
        return f64::NAN;
    };
    let pods = times.len() - 1 - first;
    pods as f64 / to.duration_since(*from).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use serde_json::{Value, json};

    use super::*;

    fn line(resource: &str, code: u16, second: i64) -> Value {
        json!({
            "auditID": "1", "stage": "ResponseComplete", "requestURI": "/", "verb": "create",
            "user": {"username": "system:kube-scheduler"},
            "objectRef": {"resource": resource, "subresource": "binding"},
            "responseStatus": {"code": code},
            "requestReceivedTimestamp": "2026-01-01T00:00:00Z",
            "stageTimestamp": Timestamp::from_second(second).unwrap(),
        })
    }

    #[test]
    fn bindings_are_read_as_they_are_written() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        writeln!(log, "{}", line("pods", 201, 1)).unwrap();
        let mut binds = Binds::from_now(log.path()).unwrap();

        let last = line("pods", 201, 3).to_string();
        let (begin, end) = last.split_at(50);
        writeln!(log, "{}", line("pods", 403, 2)).unwrap();
        writeln!(log, "{}", line("others", 201, 2)).unwrap();
        write!(log, "{begin}").unwrap();
        binds.read().unwrap();
        assert_eq!((binds.bound.len(), binds.refused), (0, 1));

        writeln!(log, "{end}").unwrap();
        binds.read().unwrap();
        assert_eq!(binds.bound, [Timestamp::from_second(3).unwrap()]);
    }

    #[test]
    fn the_first_tenth_does_not_count() {
        let second = |second| Timestamp::from_second(second).unwrap();
        // Two within a minute, then one a second, in any order.
        let mut times: Vec<_> = (60..78).map(second).collect();
        times.extend([second(59), second(0)]);

        assert!((rate(&times) - 1.0).abs() < 1e-9);
        assert!((rate(&[second(0), second(2)]) - 0.5).abs() < 1e-9);
        assert!(rate(&[]).is_nan());
    }
}
