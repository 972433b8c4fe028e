//! Which namespaces were strict or covered, and when: by their labels.

use std::collections::BTreeMap;

use crate::facts::LAG;
use crate::history::{Histories, Interval, Span};
use crate::objects::{GATE, Namespace, REQUIRE, TRUSTED};

/// The namespaces whose labels nobody looks at, so that a cluster can always be repaired.
const EXEMPT: [&str; 2] = ["kube-system", "trustpool-system"];

/// Every namespace but those. While there was none of a name, nothing.
#[derive(Debug, Default)]
pub(crate) struct Namespaces(BTreeMap<String, Vec<Interval<Option<Rule>>>>);

/// What a namespace's labels say.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Rule {
    /// Its pods all ask.
    asks: bool,
    /// The bind gate is asked about it.
    covered: bool,
    /// The bind gate refuses in doubt.
    strict: bool,
}

impl Namespaces {
    /// Reads the labels' history.
    pub(crate) fn new(histories: &Histories<Namespace>) -> Self {
        let names = histories.names().filter(|name| !EXEMPT.contains(name));
        let rule = |namespace: Option<&Namespace>| namespace.map(|it| Rule::of(&it.0));
        let rules = names.map(|name| (name.to_owned(), histories.intervals(name, rule)));
        Self(rules.collect())
    }

    /// Says whether a namespace was strict all around a span.
    pub(crate) fn is_strict(&self, name: &str, at: Span) -> bool {
        self.around(name, at).iter().all(|rule| rule.strict)
    }

    /// Says whether all pods of a namespace asked all around a span.
    pub(crate) fn asks(&self, name: &str, at: Span) -> bool {
        self.around(name, at).iter().all(|rule| rule.asks)
    }

    /// Says whether a namespace may have been covered at some moment around a span.
    pub(crate) fn may_be_covered(&self, name: &str, at: Span) -> bool {
        self.around(name, at).iter().any(|rule| rule.covered)
    }

    /// What may have been in force around a span; that of no labels, if there was no such namespace.
    fn around(&self, name: &str, at: Span) -> Vec<Rule> {
        let at = at.widened(LAG, LAG);
        let rules = self.0.get(name).into_iter().flatten();
        let near = rules.filter(|rule| rule.meets(at));
        let mut rules: Vec<Rule> = near.filter_map(|rule| rule.value).collect();
        if rules.is_empty() {
            rules.push(Rule::default());
        }
        rules
    }
}

impl Rule {
    /// Reads a namespace's labels.
    fn of(labels: &BTreeMap<String, String>) -> Self {
        let gate = labels.get(GATE).map(String::as_str);
        let asks = labels.get(REQUIRE).is_some_and(|value| value == TRUSTED);
        Self {
            asks,
            covered: gate.is_some() || labels.contains_key(REQUIRE),
            strict: gate != Some("open") && (gate.is_some() || asks),
        }
    }
}
