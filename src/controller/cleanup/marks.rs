//! What is to be taken off a Node, and what of it is to be given back. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::api::keys;
use crate::domain::mark::Change;
use crate::store::node::Tracked;

use super::needs::Needs;

/// What was done so far.
#[derive(Debug, Default)]
pub struct Done {
    /// How many Nodes are clean.
    pub nodes: usize,
    /// How many Nodes keep a label.
    pub kept: usize,
    /// Labels that were taken off, by the Node's name.
    pub taken: BTreeMap<String, Taken>,
}

/// Labels that were taken off a Node.
#[derive(Clone, Debug)]
pub struct Taken {
    uid: String,
    labels: BTreeMap<&'static str, String>,
}

/// What became of one Node.
#[derive(Debug)]
pub struct Cleaned {
    name: String,
    keeps: bool,
    taken: Taken,
}

impl Cleaned {
    /// Nothing was taken off `node` yet, which keeps what is to `keep`.
    pub fn new(name: &str, node: &Tracked, keep: Needs) -> Self {
        let carried = &node.node.carried;
        Self {
            name: name.to_owned(),
            keeps: keep.trust && carried.trust.is_some() || keep.pool && carried.pool.is_some(),
            taken: Taken {
                uid: node.node.uid.clone(),
                labels: BTreeMap::new(),
            },
        }
    }

    /// Remembers what `change` took off `node`.
    pub fn take(&mut self, node: &Tracked, change: &Change) {
        let carried = &node.node.carried;
        let trust = carried.trust.clone().filter(|_| change.trust.is_some());
        let pool = carried.pool.clone().filter(|_| change.pool.is_some());
        let labels = [(keys::TRUST, trust), (keys::POOL, pool)];
        let labels = labels.into_iter();
        let taken = labels.filter_map(|(key, value)| Some((key, value?)));
        self.taken.labels.extend(taken);
    }
}

impl Done {
    /// Counts one more Node.
    pub fn note(&mut self, cleaned: Cleaned) {
        self.nodes += 1;
        self.kept += usize::from(cleaned.keeps);
        if !cleaned.taken.labels.is_empty() {
            self.taken.insert(cleaned.name, cleaned.taken);
        }
    }
}

impl Taken {
    /// The patch that gives back what is needed of it.
    pub fn back(&self, needs: Needs) -> Option<Value> {
        let is_needed =
            |key: &str| key == keys::TRUST && needs.trust || key == keys::POOL && needs.pool;
        let labels = self.labels.iter().filter(|(key, _)| is_needed(key));
        let labels: Map<String, Value> = labels
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let patch = json!({"metadata": {"uid": self.uid, "labels": labels}});
        (!labels.is_empty()).then_some(patch)
    }
}

/// What to take off a Node: taints always, labels but those that are to be kept.
pub fn change(node: &Tracked, keep: Needs) -> Change {
    let carried = &node.node.carried;
    Change {
        trust: (!keep.trust && carried.trust.is_some()).then_some(None),
        pool: (!keep.pool && carried.pool.is_some()).then_some(None),
        taint: carried.taint.is_some().then_some(None),
        lift: carried.unattested,
    }
}

/// The patch of `nodes/status` that takes our condition off.
pub fn no_condition() -> Value {
    json!({"status": {"conditions": [{"$patch": "delete", "type": keys::TRUSTED_CONDITION}]}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PartialNode;

    fn node(object: Value) -> Tracked {
        Tracked::from(serde_json::from_value::<PartialNode>(object).unwrap())
    }

    const NOTHING: Needs = Needs {
        trust: false,
        pool: false,
    };

    fn marked() -> Tracked {
        node(json!({
            "metadata": {"name": "a", "uid": "u", "labels": {keys::TRUST: "untrusted", keys::POOL: "p", "other": "x"}},
            "spec": {"taints": [{"key": keys::NOT_TRUSTED, "value": "untrusted", "effect": "NoSchedule"}]},
        }))
    }

    #[test]
    fn taints_go_and_each_label_only_where_nobody_needs_it() {
        let taint = Change {
            taint: Some(None),
            ..Change::default()
        };
        for (trust, pool) in [(false, false), (false, true), (true, false), (true, true)] {
            let expected = Change {
                trust: (!trust).then_some(None),
                pool: (!pool).then_some(None),
                ..taint.clone()
            };
            assert_eq!(change(&marked(), Needs { trust, pool }), expected);
        }
    }

    #[test]
    fn a_node_without_anything_of_ours_is_not_written() {
        let taint = json!({"key": "other", "effect": "NoSchedule"});
        let node = node(json!({"metadata": {"name": "a"}, "spec": {"taints": [taint]}}));
        assert!(change(&node, NOTHING).is_empty());
    }

    #[test]
    fn what_is_given_back_is_what_was_taken_and_is_needed_and_of_the_same_node() {
        let mut cleaned = Cleaned::new("a", &marked(), NOTHING);
        cleaned.take(&marked(), &change(&marked(), NOTHING));
        let pool = Needs {
            pool: true,
            ..NOTHING
        };
        let expected = json!({"metadata": {"uid": "u", "labels": {keys::POOL: "p"}}});
        assert_eq!(cleaned.taken.back(pool), Some(expected));
        assert_eq!(cleaned.taken.back(NOTHING), None);

        let mut kept = Cleaned::new("a", &marked(), pool);
        kept.take(&marked(), &change(&marked(), pool));
        assert!(kept.keeps);
        assert_eq!(kept.taken.back(pool), None, "it has it still");
    }
}
