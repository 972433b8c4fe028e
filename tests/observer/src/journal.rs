//! The simulator's journal, as its admin port serves it on `GET /requests`.

use std::io::Read;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use serde::Deserialize;

/// What the service says of a host.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It passed.
    Trusted,
    /// No verdict.
    Unknown,
    /// It failed.
    Untrusted,
}

/// One request to the service. Its times are the simulator's.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Entry {
    /// Counts the requests from one.
    pub seq: u64,
    /// When its head had come in.
    pub asked: Timestamp,
    /// When it was answered; none if it was not.
    pub answered: Option<Timestamp>,
    /// The hosts it was about.
    pub hosts: Vec<Host>,
    /// What went wrong by order: `none`, or the name of a fault that spoilt the answer.
    pub fault: String,
    /// The HTTP status.
    pub status: Option<u16>,
}

/// A host of a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Host {
    /// As asked.
    pub name: String,
    /// What was answered; none if nothing was.
    pub verdict: Option<Verdict>,
}

/// What the admin port serves.
#[derive(Deserialize)]
struct Page {
    dropped: u64,
    requests: Vec<Entry>,
}

/// Reads a whole journal.
///
/// # Errors
///
/// If it is none, or is incomplete, because the simulator dropped entries: then nothing can be said
/// about the run.
pub fn read_journal(page: impl Read) -> anyhow::Result<Vec<Entry>> {
    let page: Page = serde_json::from_reader(page).context("this is no journal")?;
    let dropped = page.dropped;
    ensure!(dropped == 0, "the journal has lost {dropped} entries");
    Ok(page.requests)
}

impl Entry {
    /// When the client had an answer it could read.
    pub(crate) fn readable(&self) -> Option<Timestamp> {
        let spoilt = self.fault != "none" || self.status.is_none_or(|status| status / 100 != 2);
        self.answered.filter(|_| !spoilt)
    }
}
