//! The JSON of `PollHosts`: the one request that all versions take, and every shape of reply that
//! one of them has been seen to send.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::provider::Problem;

/// A request. There is no further field: 2.x refuses what it does not know.
#[derive(Debug, Serialize)]
pub struct PollHosts<'a> {
    /// How many hosts follow. 1.0 answers for this many and drops the rest without a word.
    count: usize,
    hosts: &'a [String],
}

impl<'a> PollHosts<'a> {
    /// A request about these hosts; 1.x answers an empty list with an error.
    pub const fn about(hosts: &'a [String]) -> Self {
        Self {
            count: hosts.len(),
            hosts,
        }
    }
}

/// One entry of a reply, as far as it can be read; nothing about it has been believed yet.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct Entry {
    /// Which host it is about: a string, if it is about any.
    pub host_name: Value,
    /// The level: a string, if there is any.
    pub trust_lvl: Value,
    /// The time, in one of several forms.
    pub vtime: Value,
}

/// A reply. Entries are kept as text until each is read on its own.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    hosts: Option<&'a RawValue>,
}

/// Reads the entries of a reply.
///
/// `hosts` is a list, or the entry itself where there is one (1.5-beta). An element of another kind
/// is an entry about nobody. Further keys are ignored, a key said twice is not: readers would
/// differ in which one counts, so nothing in such a reply does.
///
/// # Errors
///
/// What keeps the reply as a whole from being read.
pub fn entries(body: &[u8]) -> Result<Vec<Entry>, Problem> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Err(Problem::Empty);
    }
    let raw: &RawValue = serde_json::from_slice(body).map_err(Problem::Syntax)?;
    // serde reads structs from arrays too.
    if !is_object(raw) {
        return Err(Problem::NoHosts);
    }
    let body: Body<'_> = serde_json::from_str(raw.get()).map_err(Problem::Syntax)?;
    let hosts = body.hosts.ok_or(Problem::NoHosts)?;
    if is_object(hosts) {
        return entry(hosts).map(|entry| vec![entry]);
    }
    if !hosts.get().starts_with('[') {
        return Err(Problem::NoHosts);
    }
    let elements: Vec<&RawValue> = serde_json::from_str(hosts.get()).map_err(Problem::Syntax)?;
    elements.into_iter().map(entry).collect()
}

fn entry(raw: &RawValue) -> Result<Entry, Problem> {
    if is_object(raw) {
        serde_json::from_str(raw.get()).map_err(Problem::Syntax)
    } else {
        Ok(Entry::default())
    }
}

/// Says whether `raw`, which has no white space around it, is an object.
fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn named(host: &str) -> Entry {
        Entry {
            host_name: json!(host),
            ..Entry::default()
        }
    }

    #[test]
    fn the_count_is_that_of_the_hosts_and_nothing_optional_is_sent() {
        let hosts = ["node1".to_owned(), "node2".to_owned()];

        let request = serde_json::to_string(&PollHosts::about(&hosts)).unwrap();

        assert_eq!(request, r#"{"count":2,"hosts":["node1","node2"]}"#);
    }

    #[test]
    fn a_list_and_a_single_entry_are_read_with_whatever_else_is_in_them() {
        let full = r#"{"analysis_details":[],"host_name":"a","pcr_values":{"number":"0"},
            "trust_lvl":"trusted","vtime":1}"#;
        let expected = Entry {
            host_name: json!("a"),
            trust_lvl: json!("trusted"),
            vtime: json!(1),
        };
        let table = [
            (r#"{"hosts":[]}"#.to_owned(), vec![]),
            (
                r#" {"x":{"hosts":1},"hosts":{"host_name":"a"}} "#.to_owned(),
                vec![named("a")],
            ),
            (format!(r#"{{"hosts":[{full}]}}"#), vec![expected]),
            (
                r#"{"hosts":[1,null,"a",[["a"]],{"host_name":"b"}]}"#.to_owned(),
                vec![
                    Entry::default(),
                    Entry::default(),
                    Entry::default(),
                    Entry::default(),
                    named("b"),
                ],
            ),
            (
                r#"{"hosts":{"node1":{"trust_lvl":"trusted"}}}"#.to_owned(),
                vec![Entry::default()],
            ),
        ];
        for (body, expected) in table {
            assert_eq!(entries(body.as_bytes()).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn what_is_no_reply_is_named() {
        let table: &[(&[u8], &str)] = &[
            (b"", "the reply is empty"),
            (b" \r\n", "the reply is empty"),
            (b"null", "the reply holds no list of hosts"),
            (b"[]", "the reply holds no list of hosts"),
            (b"\"trusted\"", "the reply holds no list of hosts"),
            (b"{}", "the reply holds no list of hosts"),
            (
                br#"[[{"host_name":"a"}]]"#,
                "the reply holds no list of hosts",
            ),
            (br#"{"hosts":null}"#, "the reply holds no list of hosts"),
            (br#"{"hosts":"a"}"#, "the reply holds no list of hosts"),
            (
                br#"{"PollHosts":{"hosts":[]}}"#,
                "the reply holds no list of hosts",
            ),
            (
                b"<html></html>",
                "the reply is not the JSON that was asked for",
            ),
            (
                br#"{"hosts":]}"#,
                "the reply is not the JSON that was asked for",
            ),
            (
                br#"{"hosts":[]} {"hosts":[]}"#,
                "the reply is not the JSON that was asked for",
            ),
            (
                br#"{"hosts":[],"hosts":[]}"#,
                "the reply is not the JSON that was asked for",
            ),
            (
                br#"{"hosts":[{"trust_lvl":"untrusted","trust_lvl":"trusted"}]}"#,
                "the reply is not the JSON that was asked for",
            ),
            (
                b"{\"hosts\":[\"\xff\"]}",
                "the reply is not the JSON that was asked for",
            ),
        ];
        for (body, expected) in table {
            let problem = entries(body).unwrap_err().to_string();
            assert_eq!(problem, *expected, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn deep_nesting_is_refused_or_skipped_and_exhausts_no_stack() {
        let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
        for body in [
            deep.clone(),
            format!(r#"{{"hosts":{deep}}}"#),
            format!(r#"{{"hosts":[],"x":{deep}}}"#),
            format!(r#"{{"hosts":[{{"host_name":"a","trust_lvl":{deep}}}]}}"#),
            format!(r#"{{"hosts":[{{"host_name":"a","pcr_values":{deep}}}]}}"#),
        ] {
            drop(entries(body.as_bytes()));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body: Vec<u8>) {
            drop(entries(&body));
        }

        #[test]
        fn no_text_that_looks_like_a_reply_panics(tail in "[\\[\\]{}:,\"a-z0-9 ]{0,60}") {
            drop(entries(format!(r#"{{"hosts":[{{"host_name":{tail}"#).as_bytes()));
        }
    }
}
