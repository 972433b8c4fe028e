//! What was asked and what was answered: the evidence that tests judge by. It keeps the newest
//! entries, within a number and a weight.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::Verdict;
use crate::simulator::auth::Header;
use crate::simulator::fault::Kind;
use crate::simulator::hosts::HostName;

#[cfg(test)]
mod tests;

/// How many entries are kept: at 5,000 nodes, batches of 20 and a round every 5 minutes, those of
/// 33 hours.
const MOST: usize = 100_000;

/// How many bytes they may hold, about: 2.6 KiB each, which is some 40 hosts.
const HEAVIEST: usize = 256 * 1024 * 1024;

/// One request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Entry {
    /// Counts the requests from one; never used again.
    pub seq: u64,
    /// When its head had come in.
    pub asked: Timestamp,
    /// When it was answered; `null` if it was not, or not yet.
    pub answered: Option<Timestamp>,
    /// Who asked.
    pub peer: SocketAddr,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its headers.
    pub headers: Vec<Header>,
    /// Whom it was about, as asked, in the order asked; empty if it could not be read.
    pub hosts: Vec<Asked>,
    /// What went wrong by order of the admin port.
    pub fault: Kind,
    /// The status it was answered with.
    pub status: Option<u16>,
}

/// A host of a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Asked {
    /// As asked.
    pub name: HostName,
    /// What was answered about it; `null` if nothing was.
    pub verdict: Option<Verdict>,
}

/// The entries after some number.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Page {
    /// How many entries were dropped so far, to keep within the bounds.
    pub dropped: u64,
    /// The newest number given out; 0 if there was no request yet.
    pub last: u64,
    /// The entries, oldest first.
    pub requests: Vec<Arc<Entry>>,
}

/// How a request ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Ending {
    /// When.
    pub(super) answered: Timestamp,
    /// With which status.
    pub(super) status: u16,
    /// With which verdicts, in the order asked; empty if none were given.
    pub(super) verdicts: Vec<Verdict>,
}

/// The journal. Writers wait for each other and for readers no longer than a list of pointers takes
/// to copy.
#[derive(Debug)]
pub(super) struct Journal {
    book: Mutex<Book>,
    most: usize,
    heaviest: usize,
}

/// What is kept. The entries' numbers follow one another, the newest is `last`.
#[derive(Debug, Default)]
struct Book {
    entries: VecDeque<Arc<Entry>>,
    last: u64,
    dropped: u64,
    weight: usize,
}

impl Default for Journal {
    fn default() -> Self {
        Self::within(MOST, HEAVIEST)
    }
}

impl Journal {
    /// An empty journal with its bounds: entries, and bytes.
    fn within(most: usize, heaviest: usize) -> Self {
        Self {
            book: Mutex::default(),
            most,
            heaviest,
        }
    }

    /// Enters a request, whose number is set here and given back.
    pub(super) fn open(&self, mut entry: Entry) -> u64 {
        let mut book = self.book();
        book.last += 1;
        entry.seq = book.last;
        book.weight += weight(&entry);
        book.entries.push_back(Arc::new(entry));
        while book.entries.len() > self.most || book.weight > self.heaviest {
            let Some(oldest) = book.entries.pop_front() else {
                break;
            };
            book.weight -= weight(&oldest);
            book.dropped += 1;
        }
        book.last
    }

    /// Notes how request `seq` ended; nothing, if it has been dropped.
    pub(super) fn close(&self, seq: u64, ending: Ending) {
        let mut book = self.book();
        let Some(at) = book.index(seq) else {
            return;
        };
        let Some(entry) = book.entries.get_mut(at) else {
            return;
        };
        let entry = Arc::make_mut(entry);
        entry.answered = Some(ending.answered);
        entry.status = Some(ending.status);
        for (asked, verdict) in entry.hosts.iter_mut().zip(ending.verdicts) {
            asked.verdict = Some(verdict);
        }
    }

    /// Every entry with a number above `since`.
    pub(super) fn page(&self, since: u64) -> Page {
        let book = self.book();
        let first = book.index(since.saturating_add(1)).unwrap_or_else(|| {
            // Before the oldest, all; after the newest, none.
            if since < book.last {
                0
            } else {
                book.entries.len()
            }
        });
        Page {
            dropped: book.dropped,
            last: book.last,
            requests: book.entries.iter().skip(first).cloned().collect(),
        }
    }

    /// The entries, also after a panic elsewhere: each change of them is complete or absent.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// Where request `seq` is, if it is there.
    fn index(&self, seq: u64) -> Option<usize> {
        let oldest = self.entries.front()?.seq;
        let at = usize::try_from(seq.checked_sub(oldest)?).ok()?;
        (at < self.entries.len()).then_some(at)
    }
}

/// How many bytes an entry holds, about. It does not change when the request ends.
fn weight(entry: &Entry) -> usize {
    let headers: usize = entry.headers.iter().map(Header::weight).sum();
    let hosts = entry.hosts.iter();
    let hosts: usize = hosts
        .map(|asked| size_of::<Asked>() + asked.name.as_str().len())
        .sum();
    size_of::<Entry>() + entry.method.len() + entry.path.len() + headers + hosts
}
