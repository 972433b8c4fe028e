//! Reading the log of a process while it writes.

use std::fs::{File, read_to_string};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::Context as _;

/// How much of a log's end is read for its last lines: 40 lines of 1.6 KiB.
const END: u64 = 64 * 1024;

/// The last lines of a log, or why it cannot be read.
pub(super) fn tail(path: &Path, lines: usize) -> String {
    let end = read_end(path).unwrap_or_else(|error| format!("{error:#}"));
    let all: Vec<&str> = end.lines().collect();
    let first = all.len().saturating_sub(lines);
    all.get(first..).unwrap_or_default().join("\n")
}

/// The first whole line of a log that contains a text.
pub(super) fn line(path: &Path, text: &str) -> anyhow::Result<Option<String>> {
    let log = read_to_string(path).with_context(|| failed(path))?;
    let whole = log
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    Ok(whole
        .filter(|line| line.contains(text))
        .map(str::to_owned)
        .next())
}

/// The end of a log as text; it may begin within a line.
fn read_end(path: &Path) -> anyhow::Result<String> {
    let mut file = File::open(path).with_context(|| failed(path))?;
    let length = file.metadata().with_context(|| failed(path))?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
    let mut end = Vec::new();
    file.take(END)
        .read_to_end(&mut end)
        .with_context(|| failed(path))?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

/// What to say of a log that cannot be read.
fn failed(path: &Path) -> String {
    format!("failed to read `{}`", path.display())
}
