//! OpenAttestation 2.0 to 2.3: paths, the HTTP around them, and how answers are worded. Read from
//! its `rest/PollHosts.java`, `rest/Host.java` and `business/trust/HostTrustBO.java`; its JSON
//! provider is Jackson 1.9.

use axum::body::Bytes;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::domain::Verdict;
use crate::simulator::dialect::{Answer, Judged, Question, Speech};

mod query;
#[cfg(test)]
mod tests;

use query::Refusal;

/// Where `web.xml` puts the API.
const BASE: &str = "/AttestationService/resources";

/// The one media type it reads and writes.
const JSON: &str = "application/json";

/// The speaker.
#[derive(Debug)]
pub(super) struct V2;

impl Speech for V2 {
    fn read(&self, head: &Parts, body: &[u8]) -> Result<Question, Answer> {
        // Jersey takes a trailing slash, and compares the rest exactly.
        let path = head.uri.path();
        let path = path.strip_suffix('/').unwrap_or(path);
        match path.strip_prefix(BASE) {
            Some("/PollHosts") => poll(head, body),
            Some("/hosts/trust") => trust(head),
            _ => Err(page(StatusCode::NOT_FOUND)),
        }
    }

    fn too_large(&self) -> Answer {
        page(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Stock servers never ask for proof; the form is that of the fork that does.
    fn unauthorized(&self) -> Answer {
        fault(StatusCode::UNAUTHORIZED, "401", "Unauthorized")
    }

    fn failure(&self, status: StatusCode) -> Answer {
        fault(status, "SYSTEM_ERROR", "System error: simulated")
    }
}

/// `POST PollHosts`.
fn poll(head: &Parts, body: &[u8]) -> Result<Question, Answer> {
    if head.method != Method::POST {
        return Err(not_allowed("OPTIONS,POST"));
    }
    if !declares_json(&head.headers) {
        return Err(page(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    if !accepts_json(&head.headers) {
        return Err(page(StatusCode::NOT_ACCEPTABLE));
    }
    let hosts = query::hosts(body).map_err(refused)?;
    Ok(Question {
        hosts,
        wording: report,
    })
}

/// `GET hosts/trust?hostName=X`.
fn trust(head: &Parts) -> Result<Question, Answer> {
    if head.method != Method::GET && head.method != Method::HEAD {
        return Err(not_allowed("GET,HEAD,OPTIONS"));
    }
    if !accepts_json(&head.headers) {
        return Err(page(StatusCode::NOT_ACCEPTABLE));
    }
    let query = head.uri.query().unwrap_or_default();
    let asked = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "hostName");
    // `new Hostname(null)` fails on null, inside the method's `try`.
    let (_, name) = asked.ok_or_else(|| refused(Refusal::Null))?;
    let host = query::host(&name).map_err(|reason| system_error(&reason))?;
    Ok(Question {
        hosts: vec![host],
        wording: components,
    })
}

/// The reply to `PollHosts`; keys in the order Jackson 1.9 writes them, here and below.
#[derive(Serialize)]
struct Report<'a> {
    hosts: Vec<Entry<'a>>,
}

/// A host in a [`Report`].
#[derive(Serialize)]
struct Entry<'a> {
    host_name: &'a str,
    trust_lvl: &'static str,
    vtime: &'a str,
}

/// The reply to `hosts/trust`.
#[derive(Serialize)]
struct HostTrust<'a> {
    hostname: &'a str,
    trust: Components,
}

/// What of a host passed.
#[derive(Serialize)]
struct Components {
    bios: bool,
    vmm: bool,
    location: bool,
}

/// Every failure that is worded in JSON. The code is a name, not a number.
#[derive(Serialize)]
struct Failure<'a> {
    error_code: &'a str,
    error_message: &'a str,
}

/// Answers `PollHosts`: every `vtime` is the start of this request, whenever the host was attested.
fn report(hosts: &[Judged], asked: Timestamp) -> Answer {
    let vtime = vtime(asked);
    let hosts = hosts.iter().map(|judged| Entry {
        host_name: judged.host.as_str(),
        trust_lvl: judged.verdict.as_str(),
        vtime: &vtime,
    });
    let report = Report {
        hosts: hosts.collect(),
    };
    json(StatusCode::OK, &report)
}

/// Answers `hosts/trust`. What fails is put down to the hypervisor, as in the published samples; a
/// host without a verdict is one that is not enrolled.
fn components(hosts: &[Judged], _asked: Timestamp) -> Answer {
    let Some(Judged { host, verdict }) = hosts.first() else {
        return system_error("null");
    };
    let vmm = match verdict {
        Verdict::Trusted => true,
        Verdict::Untrusted => false,
        Verdict::Unknown => {
            let message = format!("Host '{host}' not found.");
            return fault(StatusCode::BAD_REQUEST, "AS_HOST_NOT_FOUND", &message);
        }
    };
    let reply = HostTrust {
        hostname: host.as_str(),
        trust: Components {
            bios: true,
            vmm,
            location: false,
        },
    };
    json(StatusCode::OK, &reply)
}

/// Jackson 1.9's ISO 8601: UTC, milliseconds always, a zone without a colon.
fn vtime(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// Says whether the body claims to be JSON, whatever its parameters.
fn declares_json(headers: &HeaderMap) -> bool {
    text(headers, &CONTENT_TYPE)
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case(JSON))
}

/// Says whether JSON would be taken; who says nothing takes anything.
fn accepts_json(headers: &HeaderMap) -> bool {
    text(headers, &ACCEPT).is_none_or(|accept| {
        accept
            .split(',')
            .filter_map(|range| range.split(';').next())
            .any(|range| matches!(range.trim(), JSON | "application/*" | "*/*" | "*"))
    })
}

/// The first value of a header; `None` if it is missing or no text.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// How a request that cannot be read is refused.
fn refused(refusal: Refusal) -> Answer {
    match refusal {
        // Jackson's exception mappers; the status of everything that is wrong is 400.
        Refusal::Bean(message) => Answer {
            status: StatusCode::BAD_REQUEST,
            kind: "text/plain",
            allow: None,
            body: message.into(),
        },
        Refusal::Null => system_error("null"),
    }
}

/// An exception that is no `ASException`: 400 like any other.
fn system_error(reason: &str) -> Answer {
    let message = format!("System error: {reason}");
    fault(StatusCode::BAD_REQUEST, "SYSTEM_ERROR", &message)
}

/// A failure worded in JSON.
fn fault(status: StatusCode, code: &str, message: &str) -> Answer {
    let body = Failure {
        error_code: code,
        error_message: message,
    };
    json(status, &body)
}

/// A JSON answer.
fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    Answer {
        status,
        kind: JSON,
        allow: None,
        // Strings and booleans under string keys: nothing that JSON cannot say.
        body: serde_json::to_vec(body).unwrap_or_default().into(),
    }
}

/// The servlet container's own page, for what never reaches the service.
fn page(status: StatusCode) -> Answer {
    let reason = status.canonical_reason().unwrap_or_default();
    let title = format!("HTTP Status {} - {reason}", status.as_u16());
    let html =
        format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
    Answer {
        status,
        kind: "text/html;charset=utf-8",
        allow: None,
        body: Bytes::from(html),
    }
}

/// Right path, wrong method.
fn not_allowed(allow: &'static str) -> Answer {
    Answer {
        allow: Some(allow),
        ..page(StatusCode::METHOD_NOT_ALLOWED)
    }
}
