//! What each error tells its asker, and a person.

use super::*;
use crate::telemetry::Chain;

fn url() -> String {
    "https://oat:8443/PollHosts".to_owned()
}

fn cause() -> Cause {
    "the cause".into()
}

const fn deadline(deadline: Deadline) -> Error {
    Error::Deadline {
        url: String::new(),
        deadline,
        limit: Duration::from_secs(75),
    }
}

#[test]
fn each_failure_says_what_it_is_and_whether_a_host_may_be_the_culprit() {
    let (refused, unreachable) = (Outcome::Refused, Outcome::Unreachable);
    let (url, source) = (url(), cause());
    let broken = Error::Broken { url, source };
    let (url, source) = (self::url(), cause());
    let connect = Error::Connect { url, source };
    let (url, source) = (self::url(), cause());
    let tls = Error::Tls { url, source };
    let host = Error::Host {
        host: "a,b".to_owned(),
        source: InvalidHost::Character(','),
    };
    let redirect = Error::Redirect {
        url: self::url(),
        status: 307,
    };
    let unreadable = Error::Unreadable {
        url: self::url(),
        source: Problem::Empty,
    };
    let (read, total) = (deadline(Deadline::Read), deadline(Deadline::Total));
    let table = [
        (broken, unreachable, Then::Split, "broken"),
        (connect, unreachable, Then::Retry, "connect"),
        (tls, unreachable, Then::Retry, "tls"),
        (host, refused, Then::Split, "host"),
        (redirect, refused, Then::Retry, "redirect"),
        (unreadable, Outcome::Unreadable, Then::Split, "unreadable"),
        (read, unreachable, Then::Split, "deadline_read"),
        (total, unreachable, Then::Split, "deadline_total"),
    ];
    for (error, outcome, then, kind) in table {
        let given = (error.outcome(), error.then(), error.kind());
        assert_eq!(given, (outcome, then, kind), "{error}");
    }
}

#[test]
fn a_status_that_one_name_can_cause_splits_and_any_other_is_asked_again() {
    let table = [
        (400, Then::Split, "client_error"),
        (401, Then::Retry, "unauthorized"),
        (403, Then::Retry, "unauthorized"),
        (404, Then::Retry, "not_found"),
        (405, Then::Retry, "not_found"),
        (407, Then::Retry, "unauthorized"),
        (413, Then::Split, "client_error"),
        (415, Then::Retry, "client_error"),
        (422, Then::Split, "client_error"),
        (429, Then::Retry, "client_error"),
        (499, Then::Retry, "client_error"),
        (500, Then::Split, "server_error"),
        (503, Then::Split, "server_error"),
        (999, Then::Split, "server_error"),
    ];
    for (status, then, kind) in table {
        let error = Error::Status { url: url(), status };
        assert_eq!((error.then(), error.kind()), (then, kind), "{status}");
        assert_eq!(error.outcome(), Outcome::Refused, "{status}");
    }
}

#[test]
fn a_person_reads_what_failed_where_and_what_to_check_each_cause_once() {
    let late = Error::Deadline {
        url: url(),
        deadline: Deadline::Read,
        limit: Duration::from_millis(37_500),
    };
    let refused = Error::Status {
        url: url(),
        status: 401,
    };
    let unreadable = Error::Unreadable {
        url: url(),
        source: Problem::Cut(cause()),
    };
    let host = Error::Host {
        host: "a,b".to_owned(),
        source: InvalidHost::Character(','),
    };
    let table = [
        (
            late,
            "gave up on `https://oat:8443/PollHosts`, which sent nothing for 37.5s; look for a host that does not report, or set a longer timeout",
        ),
        (
            refused,
            "`https://oat:8443/PollHosts` answered with status 401; check the header and the secret that authenticate us",
        ),
        (
            unreadable,
            "failed to read the reply of `https://oat:8443/PollHosts`; check that the service itself answers there: the reply ended early: the cause",
        ),
        (
            host,
            "failed to ask about host \"a,b\"; give the node another host name: the host name has a ',' in it, which the service does not take",
        ),
    ];
    for (error, expected) in table {
        assert_eq!(Chain(&error).to_string(), expected);
    }
}
