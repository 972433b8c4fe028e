//! Records and pools that cannot be read.

use std::sync::Arc;

use serde_json::json;

use super::super::Cases;
use super::rows::{look, name};
use crate::controller::fixture::{at, configured, entry, kept, node, snapshot, usable};
use crate::domain::{Reason, Verdict};
use crate::store::Kept;

#[test]
fn no_pool_takes_over_the_nodes_of_one_that_cannot_be_read_nor_another_node_its_host() {
    for readable in [true, false] {
        let mut setup = usable();
        if !readable {
            setup.unreadable = vec!["older".into()];
        }
        let (mut cases, setup) = (Cases::default(), Arc::new(setup));
        let [a, host] = ["a", "host"].map(|name| node(name, "b"));
        let mut of_older = kept(&a, Verdict::Trusted, Reason::Attested);
        of_older.record.pool = Some("older".into());
        of_older.orders.host = Some("host".to_owned());
        let of_host = kept(&host, Verdict::Unknown, Reason::NeverAttested);
        let all = [
            ("a", entry(Some(a), Some(of_older))),
            ("host", entry(Some(host), Some(of_host))),
        ];

        cases.look(&snapshot(all), &setup, at(5));

        let asked = |name: &str| cases.incarnation(&name.into(), &"default".into()).is_some();
        assert_eq!((asked("a"), asked("host")), (readable, false));
    }
}

#[test]
fn invariant_5_no_node_is_attested_as_the_host_of_one_whose_pool_cannot_be_read() {
    let role = "node-role.kubernetes.io/x";
    let mut setup = configured(&json!({"nodeSelector": {"matchLabels": {role: ""}}}));
    setup.unreadable = vec!["older".into()];
    let [a, mut host] = ["a", "host"].map(|name| node(name, "b"));
    host.node.labels.insert(role.to_owned(), String::new());
    let mut of_older = kept(&a, Verdict::Trusted, Reason::Attested);
    of_older.record.pool = Some("older".into());
    of_older.orders.host = Some("host".to_owned());
    let (a, host) = (entry(Some(a), Some(of_older)), entry(Some(host), None));

    let mut cases = Cases::default();
    cases.look(
        &snapshot([("a", a), ("host", host)]),
        &Arc::new(setup),
        at(5),
    );

    let asked = cases.incarnation(&"host".into(), &"default".into());
    assert_eq!(asked, None);
}

#[test]
fn a_node_whose_record_a_later_version_wrote_is_neither_asked_about_nor_written() {
    let (mut cases, setup) = (Cases::default(), Arc::new(usable()));
    let metadata = kube::api::ObjectMeta {
        resource_version: Some("1".to_owned()),
        ..Default::default()
    };
    let foreign = || Some(Kept::foreign(&metadata));
    for (second, boot) in [(5, "b"), (6, "b2")] {
        let writes = look(
            &mut cases,
            &setup,
            (Some(node("a", boot)), foreign()),
            second,
        );

        assert!(writes.is_empty(), "{writes:?}");
        assert!(cases.incarnation(&name(), &"default".into()).is_none());
    }
    look(&mut cases, &setup, (None, foreign()), 7);
    assert!(cases.forgettable(at(7 + 90_000)).is_empty());

    let a = node("a", "b2");
    let mut read = kept(&a, Verdict::Trusted, Reason::Attested);
    read.version = "2".to_owned();
    look(&mut cases, &setup, (Some(a), Some(read)), 8);
    assert!(cases.incarnation(&name(), &"default".into()).is_some());
}
