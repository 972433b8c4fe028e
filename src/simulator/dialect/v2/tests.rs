//! Each row of the contract on 2.x, and what was executed against its classes.

use axum::http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const POLL: &str = "/AttestationService/resources/PollHosts";
/// The class as fixture F15 names it.
const BEAN: &str = "com.intel.mtwilson.datatypes.OpenStackHostTrustLevelQuery";

fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn asked(body: &[u8]) -> Result<Vec<String>, (u16, String, String)> {
    let head = head("POST", POLL, &[("content-type", JSON)]);
    let question = V2.read(&head, body).map_err(|answer| plain(&answer))?;
    Ok(question.hosts.into_iter().map(String::from).collect())
}

fn plain(answer: &Answer) -> (u16, String, String) {
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    (answer.status.as_u16(), answer.kind.to_owned(), body)
}

fn judged(host: &str, verdict: Verdict) -> Judged {
    Judged {
        host: host.parse().unwrap(),
        verdict,
    }
}

#[test]
fn hosts_are_read_as_asked_and_the_ignored_fields_are_ignored() {
    let cases: [(&str, &[&str]); 9] = [
        (r#"{"hosts":[]}"#, &[]),
        (r#"{"count":1,"hosts":["node1"]}"#, &["node1"]),
        (
            r#"{"count": 7, "hosts": ["Node1", "node1"]}"#,
            &["Node1", "node1"],
        ),
        (r#"{"hosts":["node1","node1"]}"#, &["node1", "node1"]),
        (r#"{"hosts":["node1"],"pcrmask":"020001"}"#, &["node1"]),
        (r#"{"hosts":["fe80::1", "a b"]}"#, &["fe80::1", "a b"]),
        (r#"{"hosts":["n\u00f6de"],"count":"2"}"#, &["nöde"]),
        (r#"{"hosts":["first"],"hosts":["second"]}"#, &["second"]),
        (r#" {"hosts":[1,true],"count":1.5} "#, &["1", "true"]),
    ];
    for (given, expected) in cases {
        let expected = expected.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(asked(given.as_bytes()), Ok(expected), "{given}");
    }
}

#[test]
fn what_jackson_cannot_read_is_refused_in_its_words() {
    let chain = format!("(through reference chain: {BEAN}[\"hosts\"])");
    let field =
        |name| format!("Unrecognized field \"{name}\" (Class {BEAN}), not marked as ignorable");
    let cannot =
        |class, token| format!("Can not deserialize instance of {class} out of {token} token");
    let range = "Numeric value (3000000000) out of range of int";
    let number = "Can not construct instance of int from String value 'two': not a valid int value";
    let syntax = "Unexpected character or end-of-input at [line: 1, column: 10]";
    let cases = [
        (
            r#"{"count":1,"hosts":"node1"}"#,
            cannot("java.lang.String[]", "VALUE_STRING"),
        ),
        (
            r#"{"hosts":{"a":1}}"#,
            cannot("java.lang.String[]", "START_OBJECT"),
        ),
        (
            r#"{"hosts":[["a"]]}"#,
            cannot("java.lang.String", "START_ARRAY"),
        ),
        (
            r#"{"count":[],"hosts":["a"]}"#,
            cannot("int", "START_ARRAY"),
        ),
        (
            r#"{"pcrmask":{},"hosts":["a"]}"#,
            cannot("java.lang.String", "START_OBJECT"),
        ),
        ("[]", cannot(BEAN, "START_ARRAY")),
        (r#""node1""#, cannot(BEAN, "VALUE_STRING")),
        (r#"{"hosts":["a"],"PCRmask":"02"}"#, field("PCRmask")),
        (r#"{"timeThreshold":1,"hosts":"a"}"#, field("timeThreshold")),
        (
            r#"{"hosts":["a"],"analysisType":""}"#,
            field("analysisType"),
        ),
        (
            r#"{"hosts":["a",""]}"#,
            format!("Invalid hostname:  {chain}"),
        ),
        (
            r#"{"hosts":["a,b"]}"#,
            format!("Invalid hostname: a,b {chain}"),
        ),
        (r#"{"hosts":null}"#, format!("N/A {chain}")),
        (r#"{"count":3000000000,"hosts":[]}"#, range.to_owned()),
        (r#"{"count":"two","hosts":[]}"#, number.to_owned()),
        (r#"{"hosts":]}"#, syntax.to_owned()),
    ];
    for (given, expected) in cases {
        let expected = (400, "text/plain".to_owned(), expected);
        assert_eq!(asked(given.as_bytes()), Err(expected), "{given}");
    }
}

#[test]
fn a_query_that_is_null_or_names_no_list_fails_inside_the_service() {
    let expected = json!({"error_code": "SYSTEM_ERROR", "error_message": "System error: null"});
    for given in ["", "  ", "null", "{}", r#"{"count":1}"#] {
        let (status, kind, body) = asked(given.as_bytes()).unwrap_err();

        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, kind.as_str(), &body),
            (400, JSON, &expected),
            "{given}"
        );
    }
}

#[test]
fn http_around_the_resources_is_jerseys() {
    const TRUST: &str = "/AttestationService/resources/hosts/trust?hostName=a";
    let json = ("content-type", JSON);
    let cases = [
        ("POST", POLL, &[json][..], 200),
        (
            "POST",
            "/AttestationService/resources/PollHosts/",
            &[json],
            200,
        ),
        (
            "POST",
            POLL,
            &[("content-type", "Application/JSON; charset=UTF-8")],
            200,
        ),
        (
            "POST",
            POLL,
            &[json, ("accept", "text/html, */*;q=0.1")],
            200,
        ),
        ("POST", POLL, &[json, ("accept", "text/html")], 406),
        ("POST", POLL, &[("content-type", "text/plain")], 415),
        ("POST", POLL, &[], 415),
        ("GET", POLL, &[json], 405),
        ("PUT", POLL, &[json], 405),
        (
            "POST",
            "/AttestationService/resources/pollhosts",
            &[json],
            404,
        ),
        (
            "POST",
            "/AttestationService/resources//PollHosts",
            &[json],
            404,
        ),
        (
            "POST",
            "/OpenAttestationWebServices/V1.0/PollHosts",
            &[json],
            404,
        ),
        ("GET", TRUST, &[], 200),
        ("POST", TRUST, &[json], 405),
        ("GET", "/", &[], 404),
    ];
    for (method, uri, headers, expected) in cases {
        let read = V2.read(&head(method, uri, headers), br#"{"hosts":[]}"#);

        let status = read.map_or_else(|answer| answer.status.as_u16(), |_| 200);
        assert_eq!(status, expected, "{method} {uri} {headers:?}");
    }
}

#[test]
fn every_host_is_answered_with_the_time_of_the_question() {
    let at: Timestamp = "2016-02-29T22:29:26.365999Z".parse().unwrap();
    let hosts = [
        judged("node1", Verdict::Trusted),
        judged("node1", Verdict::Untrusted),
        judged("Ghost", Verdict::Unknown),
    ];

    let (status, kind, body) = plain(&report(&hosts, at));

    let expected = concat!(
        r#"{"hosts":["#,
        r#"{"host_name":"node1","trust_lvl":"trusted","vtime":"2016-02-29T22:29:26.365+0000"},"#,
        r#"{"host_name":"node1","trust_lvl":"untrusted","vtime":"2016-02-29T22:29:26.365+0000"},"#,
        r#"{"host_name":"Ghost","trust_lvl":"unknown","vtime":"2016-02-29T22:29:26.365+0000"}"#,
        "]}"
    );
    assert_eq!(
        (status, kind.as_str(), body.as_str()),
        (200, JSON, expected)
    );
}

#[test]
fn a_whole_second_is_written_with_its_milliseconds() {
    let at: Timestamp = "2016-02-29T22:29:26Z".parse().unwrap();

    assert_eq!(vtime(at), "2016-02-29T22:29:26.000+0000");
}

#[test]
fn one_host_is_answered_by_components() {
    let passed = r#"{"hostname":"X","trust":{"bios":true,"vmm":true,"location":false}}"#;
    let failed = r#"{"hostname":"X","trust":{"bios":true,"vmm":false,"location":false}}"#;
    let ghost = r#"{"error_code":"AS_HOST_NOT_FOUND","error_message":"Host 'X' not found."}"#;
    let cases = [
        (Verdict::Trusted, 200, passed),
        (Verdict::Untrusted, 200, failed),
        (Verdict::Unknown, 400, ghost),
    ];
    for (given, status, expected) in cases {
        let answer = plain(&components(&[judged("X", given)], Timestamp::UNIX_EPOCH));

        assert_eq!(
            answer,
            (status, JSON.to_owned(), expected.to_owned()),
            "{given}"
        );
    }
}

#[test]
fn the_one_host_is_decoded_and_must_be_legal() {
    let system = |reason: &str| Err(format!("System error: {reason}"));
    let cases = [
        ("hostName=Some+TXT%20Host", Ok("Some TXT Host".to_owned())),
        ("x=1&hostName=a", Ok("a".to_owned())),
        ("hostname=a", system("null")),
        ("hostName=", system("Invalid hostname: ")),
        ("hostName=a,b", system("Invalid hostname: a,b")),
    ];
    for (given, expected) in cases {
        let uri = format!("/AttestationService/resources/hosts/trust?{given}");

        let read = V2.read(&head("GET", &uri, &[]), b"");

        let read = read.map(|question| question.hosts[0].to_string());
        let read = read.map_err(|answer| {
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            body["error_message"].as_str().unwrap().to_owned()
        });
        assert_eq!(read, expected, "{given}");
    }
}

proptest! {
    #[test]
    fn any_body_is_read_or_refused_with_400(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Err((status, ..)) = asked(&body) {
            prop_assert_eq!(status, 400);
        }
    }

    #[test]
    fn any_legal_list_is_asked_about_as_it_stands(
        names in proptest::collection::vec("[^,]{1,20}", 0..20),
    ) {
        let body = json!({ "count": names.len(), "hosts": names }).to_string();

        prop_assert_eq!(asked(body.as_bytes()), Ok(names));
    }
}
