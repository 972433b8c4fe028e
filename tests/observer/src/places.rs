//! Which machine a node was, under which host name, and when.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::Gaps;
use crate::evidence::fold;
use crate::history::{Histories, Interval, Span};
use crate::objects::{Machine, Node, Trust};

/// Every node's incarnations. One that comes back after another is a new one.
#[derive(Debug, Default)]
pub(crate) struct Places(BTreeMap<String, Vec<Interval<Incarnation>>>);

/// One incarnation of one node: a boot of a machine, and the name of its host. Only an answer of its own
/// makes it trusted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Incarnation {
    pub(crate) machine: Machine,
    /// As hosts are compared.
    pub(crate) host: String,
}

impl Places {
    /// Reads the histories of Nodes, and of the `NodeTrust`s that name their hosts.
    pub(crate) fn new(nodes: &Histories<Node>, trusts: &Histories<Trust>) -> Self {
        let names = nodes.names();
        let places = names.map(|name| (name.to_owned(), places(name, nodes, trusts)));
        Self(places.collect())
    }

    /// What a node may have been for somebody who acted during a span, and may have heard of the last
    /// changes late, also because of his gaps. Nothing, if there was no such node.
    pub(crate) fn of(&self, node: &str, at: Span, gaps: &Gaps) -> Vec<&Interval<Incarnation>> {
        let received = gaps.unheard_since(at.received);
        let at = Span { received, ..at };
        let places = self.0.get(node).into_iter().flatten();
        places.filter(|place| place.meets(at)).collect()
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { machine, host } = self;
        let Machine { uid, boot_id, .. } = machine;
        write!(f, "host `{host}`, Node UID `{uid}`, boot ID `{boot_id}`")
    }
}

/// A node's incarnations, oldest first.
fn places(
    name: &str,
    nodes: &Histories<Node>,
    trusts: &Histories<Trust>,
) -> Vec<Interval<Incarnation>> {
    let machine = |node: Option<&Node>| {
        let node = node.filter(|node| !node.machine.boot_id.is_empty())?;
        Some((node.machine.clone(), node.host().map(str::to_owned)))
    };
    let machines = nodes.intervals(name, machine);
    let hosts = trusts.intervals(name, |trust| trust?.host.clone());
    let mut places = Vec::new();
    for during in machines {
        let Some((machine, label)) = during.value else {
            continue;
        };
        for explicit in &hosts {
            let host = explicit.value.as_ref().or(label.as_ref());
            let host = fold(host.map_or(name, String::as_str));
            let incarnation = Incarnation {
                machine: machine.clone(),
                host,
            };
            let from = during.from.max(explicit.from);
            let until = during.until.min(explicit.until);
            add(&mut places, from, until, incarnation);
        }
    }
    places
}

/// Adds an incarnation, or lengthens the last one if it is the same.
fn add(
    places: &mut Vec<Interval<Incarnation>>,
    from: Timestamp,
    until: Timestamp,
    value: Incarnation,
) {
    if from > until {
        return;
    }
    match places.last_mut() {
        Some(last) if last.value == value => last.until = until,
        _ => places.push(Interval { from, until, value }),
    }
}
