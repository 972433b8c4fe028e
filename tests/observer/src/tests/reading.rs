//! What the observer reads, what it skips, and what it cannot do without.

use serde_json::json;

use super::run::{KUBELET, Run, node};
use crate::Invariant::Granted;
use crate::{Counts, Verdict, observe, read_journal};

/// The error that a log ends in, with its causes.
fn error(log: &str) -> String {
    let facts = Run::default().facts();
    format!("{:#}", observe(log.as_bytes(), &[], &facts).unwrap_err())
}

#[test]
fn a_line_that_is_still_being_written_is_left_out() {
    let run = Run::trusted();
    let log = format!("{}{}", run.log(), r#"{"auditID":"1","#);
    let report = observe(log.as_bytes(), &run.journal, &run.facts()).unwrap();
    assert_eq!(report, run.is_right());
}

#[test]
fn a_line_that_is_no_event_is_an_error() {
    let log = format!("{}{{}}\n", Run::trusted().log());
    assert!(error(&log).starts_with("line 7 of the audit log: this is no audit event"));
}

#[test]
fn reads_rehearsals_and_requests_that_go_on_are_skipped() {
    let skipped = [
        ("verb", json!("get")),
        ("verb", json!("watch")),
        ("stage", json!("ResponseStarted")),
        (
            "requestURI",
            json!("/api/v1/nodes/n?fieldManager=x&dryRun=All"),
        ),
    ];
    for (field, value) in skipped {
        let mut run = Run::trusted();
        run.node(20_000, KUBELET, &node());
        let line = run.lines.last_mut().unwrap();
        line[field] = value;
        assert_eq!(run.is_right().counts.kubelet_writes, 1, "{field}");
    }
}

#[test]
fn events_at_metadata_level_are_enough_for_everything_else() {
    let mut run = Run::trusted();
    let what = ["update", "namespaces/finalize"];
    let line = run.write(
        20_000,
        "gc",
        what,
        json!({"name": "x"}),
        [json!({}), json!({})],
    );
    for field in ["requestObject", "responseObject", "objectRef"] {
        line.as_object_mut().unwrap().remove(field);
    }
    run.is_right();
}

#[test]
fn a_log_under_another_policy_is_an_error() {
    let mut run = Run::bound(20_000);
    for (field, position) in [("responseObject", 2), ("requestObject", 7)] {
        let line = run.lines[position].as_object_mut().unwrap();
        line.remove(field);
        let error = error(&run.log());
        assert!(
            error.contains(&format!("has no {field}: let the audit policy")),
            "{error}"
        );
        run = Run::bound(20_000);
    }
}

#[test]
fn a_journal_is_read_as_the_admin_port_serves_it() {
    let page = json!({"dropped": 0, "last": 1, "requests": [{
        "seq": 1, "asked": "2026-01-01T00:00:00Z", "answered": null, "peer": "127.0.0.1:1", "method": "POST",
        "path": "/", "headers": [], "fault": "none", "status": null,
        "hosts": [{"name": "a", "verdict": null}, {"name": "b", "verdict": "untrusted"}],
    }]});
    let journal = read_journal(page.to_string().as_bytes()).unwrap();
    let verdicts = journal[0].hosts.iter().map(|host| host.verdict);
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        [None, Some(Verdict::Untrusted)]
    );
}

#[test]
fn a_journal_that_has_lost_entries_is_an_error() {
    let page = json!({"dropped": 2, "last": 2, "requests": []}).to_string();
    let error = read_journal(page.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "the journal has lost 2 entries");
}

/// Lines of kube-apiserver 1.37.1, asked by kubectl: a kubelet registers `n1`, Trustpool labels it without
/// an answer, an administrator deals in records, pods, Bindings, namespaces and deletions.
#[test]
fn the_log_of_a_real_api_server_is_understood() {
    let mut run = Run::default();
    let log = include_str!("../../fixtures/audit.jsonl");
    run.lines = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();

    run.is_wrong(Granted, &["the label of node `n1`", "boot ID `b1`"]);
    let expected = Counts {
        grants: 1,
        kubelet_writes: 2,
        plain_binds: 1,
        plain_pods: 3,
        ..Counts::default()
    };
    assert_eq!(run.observe().counts, expected);
}
