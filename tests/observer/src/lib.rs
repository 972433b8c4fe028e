//! An outside observer. It reads what the API server and the attestation simulator wrote down of a
//! finished run, and none of Trustpool's own code, and says what must never have happened.
//!
//! ```text
//!  audit log ──> audit ──> record: nodes, trusts, namespaces, pods, bindings, refusals, touches
//!                            │                                                    ▲
//!                            ├──> bound      1: who asks is bound on an answer    │ objects, history
//!  journal ──> evidence ─────┼──> granted    2: only an answer grants
//!                 ▲          ├──> untouched  3: who does not ask is left alone
//!               clock        └──> kubelet    5: a kubelet grants nothing ──> report
//! ```
//!
//! *What it must be given.* The audit log of every API server from the first write on, its stages
//! `ResponseComplete`. Writes (`create`, `update`, `patch`, `delete`, `deletecollection`) of `pods`,
//! `pods/binding`, `bindings`, `pods/status`, `namespaces`, `nodes`, `nodes/status`, `nodetrusts` and
//! `nodetrusts/status` at the level `RequestResponse`; everything else may be at `Metadata`. Reads are
//! skipped: at `RequestResponse` they would make the log many times as long.
//!
//! *Doubt.* A request does its work at some moment between its arrival and its answer, and Trustpool
//! has two seconds to hear of a change. Wherever the order of two things is open, the observer takes the
//! one in which nothing is wrong: what it reports has happened. Where a role was dead, frozen or cut off,
//! the two seconds begin when that is over ([`Gaps`]); no answer counts for longer because of it.
//!
//! *What it does not see.* Writes whose event was lost with a killed API server, or that were stored
//! although an error was answered; the pool that a pod pins; how many good answers `trustAgain` asks
//! for; a host that two nodes claim; distrust and holds; the service's URL in an incarnation; delays.
//! It takes an answer for a reason to trust even if Trustpool was killed before it read it, and an eviction by a
//! pool with `evict: All` for a breach of invariant 3.

mod audit;
mod bound;
mod clock;
mod evidence;
mod facts;
mod gaps;
mod granted;
mod history;
mod journal;
mod kubelet;
mod namespaces;
mod objects;
mod places;
mod pods;
mod record;
mod report;
mod untouched;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;

use evidence::Evidence;
use namespaces::Namespaces;
use places::Places;
use record::Record;

pub use clock::Clock;
pub use facts::Facts;
pub use gaps::Gaps;
pub use journal::{Entry, Host, Verdict, read_journal};
pub use report::{Counts, Invariant, Report, Violation};

#[cfg(test)]
mod tests;

/// Judges a run by its audit log, its journal and the facts.
///
/// The lines of the log may be in any order. The entries of the journal must be oldest first; where a
/// simulator was started again, those of its next life follow.
///
/// The memory it takes grows with the number of writes, some hundred bytes each, and not with the size
/// of the objects in them. A last line without its end is still being written, and left out.
///
/// # Errors
///
/// If the log cannot be read, holds what is no audit event, or lacks the objects that the judgement
/// needs: then the audit policy is not the one above.
pub fn observe(log: impl BufRead, journal: &[Entry], facts: &Facts) -> anyhow::Result<Report> {
    let record = Record::read(log, facts)?;
    let run = Run {
        evidence: Evidence::new(journal, &facts.clock),
        facts,
        namespaces: Namespaces::new(&record.namespaces),
        places: Places::new(&record.nodes, &record.trusts),
        record: &record,
    };
    let mut report = Report::default();
    bound::judge(&run, &mut report);
    granted::judge(&run, &mut report);
    untouched::judge(&run, &mut report);
    kubelet::judge(&run, &mut report);
    report.violations.sort_by_key(|violation| violation.at);
    Ok(report)
}

/// [`observe`] with the log in a file.
///
/// # Errors
///
/// Like [`observe`]; with the file's name.
pub fn observe_file(log: &Path, journal: &[Entry], facts: &Facts) -> anyhow::Result<Report> {
    let failed = || format!("failed to observe `{}`", log.display());
    let file = File::open(log).with_context(failed)?;
    observe(BufReader::new(file), journal, facts).with_context(failed)
}

/// A run, as the judges see it.
struct Run<'a> {
    /// What the service answered.
    evidence: Evidence,
    /// What the observer was told.
    facts: &'a Facts,
    /// Which namespaces were strict, and when.
    namespaces: Namespaces,
    /// Which machine a node was, and when.
    places: Places,
    /// What the API server was asked to write.
    record: &'a Record,
}
