//! Invariant 2: only an answer grants. Each time that Trustpool turns a verdict or a label to `trusted`
//! there is an answer `trusted` about the node's host, later than the last loss, to a question that was
//! asked after the node's incarnation was first seen.
//!
//! A *verdict* is lost when anybody changes it or deletes its `NodeTrust`. Where that was Trustpool, an
//! answer that came up to two seconds before may be the later one: it was read after the loss was
//! decided. But no answer counts twice: it must be later than the grant before the loss.
//!
//! A *label* follows the verdict, so it is lost with the verdict, as soon as Trustpool can have heard of
//! that; and when Trustpool takes it off. What others do to it is no loss: Trustpool puts it right.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use crate::Run;
use crate::history::{Change, Interval, Span, Write};
use crate::objects::{Node, TRUSTED, Trust};
use crate::places::Incarnation;
use crate::report::{Invariant, Report};

/// Judges every grant.
pub(crate) fn judge(run: &Run<'_>, report: &mut Report) {
    let record = run.record;
    let names: BTreeSet<&str> = record.nodes.names().chain(record.trusts.names()).collect();
    for grant in names.into_iter().flat_map(|node| grants(node, run)) {
        report.counts.grants += 1;
        if let Err(why) = right(&grant, run) {
            let at = grant.write.span.received;
            report.breach(Invariant::Granted, at, format!("{grant}: {why}"));
        }
    }
}

/// Something of a node's turned to `trusted`.
struct Grant<'a> {
    node: &'a str,
    /// The verdict, or the label.
    what: &'static str,
    write: &'a Write,
    /// Since when an answer may be the reason; none if there was no loss before.
    since: Option<Timestamp>,
}

impl fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node, what, write, ..
        } = self;
        write!(
            f,
            "the {what} of node `{node}` was turned to trusted by {write}"
        )
    }
}

/// What Trustpool granted to a node.
fn grants<'a>(node: &'a str, run: &Run<'a>) -> Vec<Grant<'a>> {
    let record = run.record;
    let unheard = |write: &Write| run.facts.controller_gaps.unheard_since(write.span.received);
    let ours = |write: &Write| run.facts.has_account(&write.users);
    let verdicts = Turns::of(&record.trusts.changes(node), has_verdict, |_| true, run);
    let labels = Turns::of(&record.nodes.changes(node), has_label, ours, run);
    let of_verdicts = verdicts.gains.iter().map(|&(write, since)| Grant {
        node,
        what: "verdict",
        write,
        since,
    });
    let of_labels = labels.gains.iter().map(|&(write, since)| Grant {
        node,
        what: "label",
        write,
        since: since.max(verdicts.lost_before(unheard(write))),
    });
    of_verdicts.chain(of_labels).collect()
}

/// Looks for the answer; else says, for everything that the node may have been, what was missing.
fn right(grant: &Grant<'_>, run: &Run<'_>) -> Result<(), String> {
    let places = run
        .places
        .of(grant.node, grant.write.span, &run.facts.controller_gaps);
    let mut missing = Vec::new();
    for place in places {
        match answered(place, grant, run) {
            Ok(()) => return Ok(()),
            Err(why) => missing.push(why),
        }
    }
    if missing.is_empty() {
        missing.push("there was no such node, or it reported no boot ID".to_owned());
    }
    Err(missing.join("; "))
}

/// Looks for an answer about one incarnation; else says which one there was last.
fn answered(place: &Interval<Incarnation>, grant: &Grant<'_>, run: &Run<'_>) -> Result<(), String> {
    let answers = run.evidence.about(&place.value.host);
    let mut last = None;
    for answer in answers.iter().filter(|answer| answer.trusted) {
        let there = answer.answered <= grant.write.span.answered;
        if there && answer.asked >= place.from && grant.since <= Some(answer.answered) {
            return Ok(());
        }
        last = Some(answer).filter(|_| there).or(last);
    }
    let last = last.map_or_else(|| "none".to_owned(), ToString::to_string);
    let (what, from) = (&place.value, place.from);
    let since = grant.since.map(|since| format!(" and came after {since}"));
    let since = since.unwrap_or_default();
    Err(format!(
        "as {what} it needs an answer `trusted` that was asked for after {from}{since}; the last was {last}"
    ))
}

/// When something turned to `trusted`, and when it was lost, in that order.
#[derive(Default)]
struct Turns<'a> {
    /// By Trustpool, and since when an answer may be the reason.
    gains: Vec<(&'a Write, Option<Timestamp>)>,
    /// When they were over for sure, and since when an answer may count again.
    losses: Vec<(Timestamp, Timestamp)>,
}

impl<'a> Turns<'a> {
    /// Reads them from a history; only losses that `count`.
    fn of<T>(
        changes: &[Change<'a, T>],
        trusted: impl Fn(&T) -> bool,
        count: impl Fn(&Write) -> bool,
        run: &Run<'_>,
    ) -> Self {
        let mut turns = Self::default();
        for change in changes {
            let was = change.before.is_some_and(&trusted);
            let is = change.after.is_some_and(&trusted);
            let ours = run.facts.has_account(&change.write.users);
            if is && !was && ours {
                let since = turns.lost_before(Timestamp::MAX);
                turns.gains.push((change.write, since));
            } else if was && !is && count(change.write) {
                turns.lose(change.write, ours, run);
            }
        }
        turns
    }

    /// Enters a loss.
    fn lose(&mut self, write: &Write, ours: bool, run: &Run<'_>) {
        let Span { received, answered } = write.span;
        let unheard = run.facts.controller_gaps.unheard_since(received);
        let since = if ours { unheard } else { received };
        let granted = self.gains.last().map(|(grant, _)| grant.span.received);
        let since = granted.map_or(since, |granted| since.max(granted));
        self.losses.push((answered, since));
    }

    /// Since when an answer may count, by the losses that were over at some time; none if there were none.
    fn lost_before(&self, at: Timestamp) -> Option<Timestamp> {
        let losses = self.losses.iter().filter(|(over, _)| *over <= at);
        losses.map(|&(_, since)| since).max()
    }
}

/// Says whether a `NodeTrust` has the verdict.
fn has_verdict(trust: &Trust) -> bool {
    trust.verdict == TRUSTED
}

/// Says whether a Node has the label.
fn has_label(node: &Node) -> bool {
    node.trust() == Some(TRUSTED)
}
