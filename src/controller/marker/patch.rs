//! The bodies of patches to a Node. Pure.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::api::keys;
use crate::domain::mark::Change;
use crate::domain::{Reason, Verdict};
use crate::store::Tracked;
use crate::store::node::{is_ours, is_startup};

/// Labels and taint in one merge patch, guarded by the version of the Node that it was made from.
///
/// `spec.taints` is an atomic list: a patch replaces it whole, so other people's taints are carried
/// over as they are, fields of which nothing is known here included.
#[must_use]
pub fn marks(change: &Change, node: &Tracked) -> Value {
    let mut patch = json!({"metadata": {"resourceVersion": node.version}});
    let mut labels = Map::new();
    if let Some(trust) = change.trust {
        labels.insert(keys::TRUST.to_owned(), json!(trust.map(Verdict::as_str)));
    }
    if let Some(pool) = &change.pool {
        labels.insert(keys::POOL.to_owned(), json!(pool));
    }
    if !labels.is_empty() {
        set(&mut patch, "metadata", "labels", Value::Object(labels));
    }
    if change.taint.is_some() || change.lift {
        set(&mut patch, "spec", "taints", taints(change, node));
    }
    patch
}

/// The trust label alone, guarded by nothing but who the Node is: of a map each key is its own, and the
/// API server itself tries such a patch again when others write.
#[must_use]
pub fn label(trust: Option<Verdict>, node: &Tracked) -> Value {
    json!({"metadata": {
        "uid": node.node.uid,
        "labels": {keys::TRUST: trust.map(Verdict::as_str)},
    }})
}

/// The node condition, in a strategic merge patch of `nodes/status`: conditions merge by their type. Guarded as
/// [`label`] is: it tells nothing of another Node of that name.
#[must_use]
pub fn condition(status: &str, reason: Reason, node: &Tracked, now: Timestamp) -> Value {
    let now = crate::domain::time::floor(now).to_string();
    let condition = json!({
        "type": keys::TRUSTED_CONDITION,
        "status": status,
        "reason": reason.as_str(),
        "message": reason.message(),
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    });
    json!({"metadata": {"uid": node.node.uid}, "status": {"conditions": [condition]}})
}

/// Every taint, with ours as they should be.
fn taints(change: &Change, node: &Tracked) -> Value {
    let stays = |taint: &&Map<String, Value>| {
        !(change.taint.is_some() && is_ours(taint) || change.lift && is_startup(taint))
    };
    let others = node.taints.iter().filter(stays).cloned().map(Value::Object);
    let ours = change.taint.flatten().map(|verdict| {
        json!({"key": keys::NOT_TRUSTED, "value": verdict.as_str(), "effect": "NoSchedule"})
    });
    let all: Vec<Value> = others.chain(ours).collect();
    if all.is_empty() {
        Value::Null
    } else {
        Value::Array(all)
    }
}

/// Sets `patch[part][field]`, making the part if there is none.
fn set(patch: &mut Value, part: &str, field: &str, value: Value) {
    if let Value::Object(patch) = patch {
        let part = patch.entry(part).or_insert_with(|| json!({}));
        if let Value::Object(part) = part {
            part.insert(field.to_owned(), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PartialNode;

    fn node(taints: &Value) -> Tracked {
        let object = json!({
            "metadata": {"name": "a", "uid": "u", "resourceVersion": "7"},
            "spec": {"taints": taints},
        });
        Tracked::from(serde_json::from_value::<PartialNode>(object).unwrap())
    }

    #[test]
    fn invariant_6_taints_of_others_are_carried_over_whole() {
        let other = json!({"key": "gpu", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z", "new": 1});
        let same_key = json!({"key": keys::NOT_TRUSTED, "value": "x", "effect": "NoExecute"});
        let ours = json!({"key": keys::NOT_TRUSTED, "value": "untrusted", "effect": "NoSchedule"});
        let untrusted = Change {
            taint: Some(Some(Verdict::Untrusted)),
            ..Change::default()
        };
        let cleared = Change {
            taint: Some(None),
            ..Change::default()
        };
        let startup = json!({"key": keys::UNATTESTED, "effect": "NoSchedule"});
        let attested = Change {
            lift: true,
            ..Change::default()
        };
        let refused = Change {
            lift: true,
            ..untrusted.clone()
        };
        let table = [
            (
                &attested,
                json!([other, startup, ours]),
                json!([other, ours]),
            ),
            (&refused, json!([startup, other]), json!([other, ours])),
            (&untrusted, json!([startup]), json!([startup, ours])),
            (
                &untrusted,
                json!([other, same_key]),
                json!([other, same_key, ours]),
            ),
            (
                &cleared,
                json!([other, ours, same_key]),
                json!([other, same_key]),
            ),
            (&cleared, json!([ours]), Value::Null),
        ];
        for (change, taints, expected) in table {
            let patch = marks(change, &node(&taints));

            assert_eq!(patch["spec"]["taints"], expected);
            assert_eq!(
                patch["metadata"],
                json!({"resourceVersion": "7"}),
                "guarded, nothing else"
            );
        }
    }

    #[test]
    fn what_is_not_guarded_by_a_version_is_guarded_by_who_the_node_is() {
        let node = node(&json!([]));

        let label = label(None, &node);
        let condition = condition("True", Reason::Attested, &node, Timestamp::UNIX_EPOCH);

        assert_eq!(label["metadata"]["uid"], "u");
        assert_eq!(condition["metadata"], json!({"uid": "u"}));
        let written = &condition["status"]["conditions"][0];
        assert_eq!(written["type"], keys::TRUSTED_CONDITION);
        assert_eq!(written["reason"], "Attested");
    }

    #[test]
    fn labels_alone_leave_taints_alone() {
        let change = Change {
            trust: Some(Some(Verdict::Trusted)),
            pool: Some(Some("default".to_owned())),
            ..Change::default()
        };

        let patch = marks(&change, &node(&json!([])));

        let labels = json!({keys::TRUST: "trusted", keys::POOL: "default"});
        assert_eq!(
            patch,
            json!({"metadata": {"resourceVersion": "7", "labels": labels}})
        );
    }
}
