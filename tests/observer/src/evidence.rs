//! What the service answered about each host, in real time.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::{Clock, Entry, Verdict};

/// Every verdict, by host.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// By the host's folded name, in the order of the journal.
    answers: BTreeMap<String, Vec<Answer>>,
}

/// One verdict about one host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Answer {
    /// The journal's entry.
    pub(crate) seq: u64,
    /// Real time.
    pub(crate) asked: Timestamp,
    /// As the journal has it.
    pub(crate) asked_simulated: Timestamp,
    /// Real time.
    pub(crate) answered: Timestamp,
    /// `trusted`, or `untrusted`.
    pub(crate) trusted: bool,
}

impl Evidence {
    /// Sorts a journal by host. Answers that the client could not read are no evidence.
    pub(crate) fn new(journal: &[Entry], clock: &Clock) -> Self {
        let mut evidence = Self::default();
        let mut since = Timestamp::MIN;
        for entry in journal {
            let asked = clock.real(entry.asked, since);
            since = since.max(asked);
            if let Some(answered) = entry.readable() {
                evidence.enter(entry, asked, clock.real(answered, asked));
            }
        }
        evidence
    }

    /// What was answered about a host, oldest question first.
    pub(crate) fn about(&self, host: &str) -> &[Answer] {
        self.answers.get(host).map_or(&[], Vec::as_slice)
    }

    /// Enters one entry's verdicts.
    fn enter(&mut self, entry: &Entry, asked: Timestamp, answered: Timestamp) {
        for (host, verdict) in verdicts(entry) {
            let trusted = match verdict {
                Verdict::Trusted => true,
                Verdict::Unknown => continue,
                Verdict::Untrusted => false,
            };
            self.answers.entry(host).or_default().push(Answer {
                seq: entry.seq,
                asked,
                asked_simulated: entry.asked,
                answered,
                trusted,
            });
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, asked, .. } = self;
        let verdict = if self.trusted { "trusted" } else { "untrusted" };
        let answered = self.answered;
        write!(
            f,
            "`{verdict}` of journal entry {seq} (asked {asked}, answered {answered})"
        )
    }
}

/// The host's name as hosts are compared: without case and trailing dot.
pub(crate) fn fold(host: &str) -> String {
    let host = host.to_lowercase();
    host.strip_suffix('.').unwrap_or(&host).to_owned()
}

/// What one entry says of each of its hosts; of one that it names twice with different verdicts,
/// nothing.
fn verdicts(entry: &Entry) -> BTreeMap<String, Verdict> {
    let mut verdicts = BTreeMap::new();
    for host in &entry.hosts {
        let verdict = host.verdict.unwrap_or(Verdict::Unknown);
        let said = verdicts.entry(fold(&host.name)).or_insert(verdict);
        if *said != verdict {
            *said = Verdict::Unknown;
        }
    }
    verdicts
}
