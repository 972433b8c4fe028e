//! A run to be: lines of an audit log as kube-apiserver 1.37 writes them, and journal entries. Times are
//! milliseconds since the run's start; every request takes 10 ms.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::objects::TRUST;
use crate::{Clock, Entry, Facts, Gaps, Host, Invariant, Report, Verdict, observe};

/// The users.
pub(super) const ADMIN: &str = "admin";
pub(super) const KUBELET: &str = "system:node:n";
pub(super) const OURS: &str = "trustpool-controller";

/// For how long an answer counts.
pub(super) const VALIDITY: SignedDuration = SignedDuration::from_secs(60);

/// The moment that many milliseconds after the start.
pub(super) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap()
}

/// What was written down.
#[derive(Clone, Debug, Default)]
pub(super) struct Run {
    pub(super) lines: Vec<Value>,
    pub(super) journal: Vec<Entry>,
    pub(super) clock: Vec<(Timestamp, SignedDuration)>,
    /// The role that answers has a clock that nobody moves.
    pub(super) gate_clock_is_right: bool,
    pub(super) controller_gaps: Gaps,
    pub(super) gate_gaps: Gaps,
    version: u64,
}

impl Run {
    /// Node `n` is there from 1 s on, and has an answer from 11 s (asked at 10 s) and a verdict and a label
    /// from 12 s on. Namespace `team` is strict, `default` is not covered.
    pub(super) fn trusted() -> Self {
        let mut run = Self::default();
        run.namespace(0, "team", &json!({"trustpool.dev/gate": "strict"}));
        run.namespace(0, "default", &json!({}));
        run.node(1_000, KUBELET, &node());
        run.trust(
            1_500,
            OURS,
            "t1",
            &json!({"status": {"verdict": "unknown"}}),
        );
        run.answer(10_000, 11_000, "n", "trusted");
        run.verdict(12_000, "trusted");
        run.node(12_100, OURS, &labelled(TRUST, "trusted"));
        run
    }

    /// The same, and pod `p`, which asks, is bound in `team` at some time.
    pub(super) fn bound(millis: i64) -> Self {
        let mut run = Self::trusted();
        run.pod(2_000, "team", "p", "p1", &asking());
        run.bind(millis, "team", "p", Some("p1"), "n");
        run
    }

    /// A line of the log; the answer is the stored object, in its next version, if it has metadata.
    pub(super) fn write(
        &mut self,
        millis: i64,
        user: &str,
        what: [&str; 2],
        reference: Value,
        mut objects: [Value; 2],
    ) -> &mut Value {
        let [verb, path] = what;
        self.version += 1;
        if let Some(metadata) = objects[1].get_mut("metadata") {
            metadata["resourceVersion"] = json!(self.version.to_string());
        }
        let mut object_ref = reference;
        let (resource, part) = path.split_once('/').unwrap_or((path, ""));
        object_ref["resource"] = json!(resource);
        if !part.is_empty() {
            object_ref["subresource"] = json!(part);
        }
        let [sent, stored] = objects;
        self.lines.push(json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "RequestResponse",
            "auditID": format!("id-{}", self.version), "stage": "ResponseComplete",
            "requestURI": "/api/v1/x?fieldManager=\u{26}y", "verb": verb,
            "user": {"username": user, "groups": ["some"]}, "objectRef": object_ref,
            "responseStatus": {"metadata": {}, "code": if verb == "create" { 201 } else { 200 }},
            "requestReceivedTimestamp": at(millis), "stageTimestamp": at(millis + 10),
            "requestObject": sent, "responseObject": stored,
        }));
        self.lines.last_mut().unwrap()
    }

    pub(super) fn namespace(&mut self, millis: i64, name: &str, labels: &Value) {
        let stored =
            json!({"kind": "Namespace", "metadata": {"name": name, "uid": name, "labels": labels}});
        self.write(
            millis,
            ADMIN,
            ["create", "namespaces"],
            json!({"name": name}),
            [json!({}), stored],
        );
    }

    /// The first write of a UID is its creation.
    pub(super) fn node(&mut self, millis: i64, user: &str, node: &Value) {
        let reference = json!({"name": node["metadata"]["name"]});
        let of = |line: &Value| line["responseObject"]["metadata"]["uid"].clone();
        let known = self
            .lines
            .iter()
            .any(|line| of(line) == node["metadata"]["uid"]);
        let what = if known {
            ["patch", "nodes/status"]
        } else {
            ["create", "nodes"]
        };
        self.write(millis, user, what, reference, [json!({}), node.clone()]);
    }

    /// Writes the `NodeTrust` of node `n`.
    pub(super) fn trust(&mut self, millis: i64, user: &str, uid: &str, more: &Value) {
        let mut stored = json!({"kind": "NodeTrust", "metadata": {"name": "n", "uid": uid}});
        merge(&mut stored, more);
        let what = ["patch", "nodetrusts/status"];
        self.write(
            millis,
            user,
            what,
            json!({"name": "n", "apiGroup": "trustpool.dev"}),
            [json!({}), stored],
        );
    }

    /// Trustpool writes the verdict on node `n`.
    pub(super) fn verdict(&mut self, millis: i64, verdict: &str) {
        self.trust(millis, OURS, "t1", &json!({"status": {"verdict": verdict}}));
    }

    pub(super) fn delete(&mut self, millis: i64, resource: &str, name: &str, uid: &str) {
        let details = json!({"name": name, "uid": uid, "kind": resource});
        let status = json!({"kind": "Status", "status": "Success", "details": details});
        let line = self.write(
            millis,
            ADMIN,
            ["delete", resource],
            json!({"name": name}),
            [json!({}), status],
        );
        line["responseStatus"]["details"] = details;
    }

    /// Creates a pod that is stored as it was sent.
    pub(super) fn pod(
        &mut self,
        millis: i64,
        namespace: &str,
        name: &str,
        uid: &str,
        more: &Value,
    ) -> &mut Value {
        let mut sent =
            json!({"kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": {}});
        merge(&mut sent, more);
        let mut stored = sent.clone();
        stored["metadata"]["uid"] = json!(uid);
        let reference = json!({"namespace": namespace, "name": name});
        self.write(millis, ADMIN, ["create", "pods"], reference, [sent, stored])
    }

    pub(super) fn bind(
        &mut self,
        millis: i64,
        namespace: &str,
        pod: &str,
        uid: Option<&str>,
        node: &str,
    ) -> &mut Value {
        let mut sent = json!({"kind": "Binding", "metadata": {"name": pod}, "target": {"kind": "Node", "name": node}});
        if let Some(uid) = uid {
            sent["metadata"]["uid"] = json!(uid);
        }
        let reference = json!({"namespace": namespace, "name": pod});
        let status = json!({"kind": "Status", "status": "Success"});
        self.write(
            millis,
            "scheduler",
            ["create", "pods/binding"],
            reference,
            [sent, status],
        )
    }

    /// An entry of the journal: simulated times.
    pub(super) fn answer(
        &mut self,
        asked: i64,
        answered: i64,
        host: &str,
        verdict: &str,
    ) -> &mut Entry {
        self.journal.push(Entry {
            seq: self.journal.len() as u64 + 1,
            asked: at(asked),
            answered: Some(at(answered)),
            hosts: vec![Host {
                name: host.to_owned(),
                verdict: Some(match verdict {
                    "trusted" => Verdict::Trusted,
                    "untrusted" => Verdict::Untrusted,
                    _ => Verdict::Unknown,
                }),
            }],
            fault: "none".to_owned(),
            status: Some(200),
        });
        self.journal.last_mut().unwrap()
    }

    /// The log as a file.
    pub(super) fn log(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    pub(super) fn facts(&self) -> Facts {
        let mut facts = Facts::new(VALIDITY, [OURS.to_owned()]);
        facts.clock = Clock::shifted(self.clock.clone());
        if !self.gate_clock_is_right {
            facts.gate_clock = facts.clock.clone();
        }
        facts.controller_gaps = self.controller_gaps.clone();
        facts.gate_gaps = self.gate_gaps.clone();
        facts
    }

    pub(super) fn observe(&self) -> Report {
        observe(self.log().as_bytes(), &self.journal, &self.facts()).unwrap()
    }

    /// Checks that nothing is wrong.
    #[track_caller]
    pub(super) fn is_right(&self) -> Report {
        let report = self.observe();
        assert!(report.violations.is_empty(), "{report}");
        report
    }

    /// Checks that one thing is wrong, and that the sentence about it says all of this.
    #[track_caller]
    pub(super) fn is_wrong(&self, invariant: Invariant, says: &[&str]) {
        let report = self.observe();
        assert_eq!(report.violations.len(), 1, "{report}");
        let violation = &report.violations[0];
        assert_eq!(violation.invariant, invariant, "{report}");
        for words in says {
            assert!(violation.what.contains(words), "no `{words}` in {report}");
        }
    }
}

/// Node `n` in its first boot.
pub(super) fn node() -> Value {
    json!({"kind": "Node", "metadata": {"name": "n", "uid": "u1"}, "spec": {}, "status": {"nodeInfo": {
        "bootID": "b1", "machineID": "m1", "systemUUID": "s1",
    }}})
}

/// The same with a label.
pub(super) fn labelled(key: &str, value: &str) -> Value {
    let mut node = node();
    node["metadata"]["labels"] = json!({key: value});
    node
}

/// Something else in place of what is at a JSON pointer.
pub(super) fn with(mut value: Value, pointer: &str, other: &str) -> Value {
    *value.pointer_mut(pointer).unwrap() = json!(other);
    value
}

/// What makes a pod ask.
pub(super) fn asking() -> Value {
    json!({"spec": {"nodeSelector": {TRUST: "trusted"}}})
}

/// Puts objects into objects.
fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().unwrap() {
        if into[key].is_object() {
            merge(&mut into[key], value);
        } else {
            into[key] = value.clone();
        }
    }
}
