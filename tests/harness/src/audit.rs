//! The API server's audit log: who asked it for what, and what it answered.

use std::collections::BTreeMap;
use std::fs::read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Deserialize;

/// The verbs that change something.
const WRITES: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// One stage of one request, at the level `Metadata`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// What all stages of one request share.
    #[serde(rename = "auditID")]
    pub audit_id: String,
    /// `ResponseStarted` (watches only), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// When the stage was reached.
    pub stage_timestamp: Timestamp,
    /// When the request arrived.
    pub request_received_timestamp: Timestamp,
    /// The path and query.
    #[serde(rename = "requestURI")]
    pub request_uri: String,
    /// What was asked: `get`, `list`, `watch`, or one of the writing verbs.
    pub verb: String,
    /// Who asked.
    pub user: UserInfo,
    /// How the client calls itself.
    #[serde(default)]
    pub user_agent: String,
    /// What was asked for; none for paths such as `/readyz`.
    #[serde(default)]
    pub object_ref: ObjectReference,
    /// What was answered.
    #[serde(default)]
    pub response_status: ResponseStatus,
    /// What authorizers, admission plugins, webhooks and policies noted.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
}

/// Who asked.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
pub struct UserInfo {
    /// The user's name.
    #[serde(default)]
    pub username: String,
    /// The user's groups.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// What was asked for. Empty where it does not apply.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "camelCase")]
pub struct ObjectReference {
    /// Such as `trustpool.dev`; empty for the core group.
    pub api_group: String,
    /// Such as `nodes`.
    pub resource: String,
    /// Such as `status`.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The object's name; empty for lists, watches and generated names.
    pub name: String,
}

/// What was answered.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct ResponseStatus {
    /// The HTTP status.
    pub code: u16,
    /// A short word for it, on failure.
    pub reason: String,
    /// What the client was told, on failure.
    pub message: String,
}

impl AuditEvent {
    /// Says whether this is the end of a request that changes something (if it was allowed to).
    #[must_use]
    pub fn is_write(&self) -> bool {
        self.stage != "ResponseStarted" && WRITES.contains(&self.verb.as_str())
    }

    /// Says whether the request was for this resource and subresource (`""` for the object).
    #[must_use]
    pub fn is_for(&self, resource: &str, subresource: &str) -> bool {
        self.object_ref.resource == resource && self.object_ref.subresource == subresource
    }
}

/// The log of one API server, from its beginning or from some moment on.
///
/// The server writes an event when it has answered, so the event of an answer just received may
/// not be there yet: look again with [`eventually`](crate::eventually()).
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
    /// How many bytes of the file are before the moment: always whole lines.
    start: usize,
}

impl AuditLog {
    /// The log in a file, which need not exist yet.
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            start: 0,
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same log without the events that it holds already.
    ///
    /// # Errors
    ///
    /// If the log cannot be read.
    pub fn from_now(&self) -> anyhow::Result<Self> {
        Ok(Self {
            path: self.path.clone(),
            start: self.start + self.lines()?.len(),
        })
    }

    /// All events.
    ///
    /// # Errors
    ///
    /// If the log cannot be read, or holds something else.
    pub fn events(&self) -> anyhow::Result<Vec<AuditEvent>> {
        let lines = self.lines()?;
        let lines = lines
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty());
        lines.map(|line| self.event(line)).collect()
    }

    /// The writes of one user.
    ///
    /// # Errors
    ///
    /// If the log cannot be read, or holds something else.
    pub fn writes_by(&self, user: &str) -> anyhow::Result<Vec<AuditEvent>> {
        let mut events = self.events()?;
        events.retain(|event| event.is_write() && event.user.username == user);
        Ok(events)
    }

    /// How many writes each user asked for.
    ///
    /// # Errors
    ///
    /// If the log cannot be read, or holds something else.
    pub fn writes(&self) -> anyhow::Result<BTreeMap<String, usize>> {
        let mut writes = BTreeMap::new();
        for event in self.events()?.into_iter().filter(AuditEvent::is_write) {
            *writes.entry(event.user.username).or_default() += 1;
        }
        Ok(writes)
    }

    /// The whole lines since the start. A last line without its end is still being written.
    fn lines(&self) -> anyhow::Result<Vec<u8>> {
        let failed = || format!("failed to read `{}`", self.path.display());
        let mut log = read(&self.path).with_context(failed)?;
        let end = log
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |last| last + 1);
        log.truncate(end);
        Ok(log.split_off(self.start.min(end)))
    }

    /// Reads one line.
    fn event(&self, line: &[u8]) -> anyhow::Result<AuditEvent> {
        serde_json::from_slice(line).with_context(|| {
            let line = String::from_utf8_lossy(line);
            format!(
                "`{}` holds what is no audit event: `{line}`",
                self.path.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    const EVENT: &str = r#"{"auditID":"1","stage":"ResponseComplete","requestURI":"/api/v1/nodes",
"verb":"create","user":{"username":"admin","groups":["system:masters"]},
"objectRef":{"resource":"nodes","name":"n1","apiVersion":"v1"},"responseStatus":{"code":201},
"requestReceivedTimestamp":"2026-01-01T00:00:00.1Z","stageTimestamp":"2026-01-01T00:00:00.2Z"}"#;

    #[test]
    fn a_line_that_is_still_being_written_is_left_for_later() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        let event = EVENT.replace('\n', "");
        let (begin, end) = event.split_at(100);
        let mut file = File::create(&path).unwrap();
        let log = AuditLog::new(&path);

        write!(file, "{event}\n{begin}").unwrap();
        assert_eq!(
            log.writes().unwrap(),
            BTreeMap::from([("admin".to_owned(), 1)])
        );
        let later = log.from_now().unwrap();
        assert_eq!(later.events().unwrap(), []);

        writeln!(file, "{end}").unwrap();
        assert_eq!(log.writes_by("admin").unwrap().len(), 2);
        assert_eq!(later.writes_by("admin").unwrap().len(), 1);
    }

    #[test]
    fn only_the_end_of_a_request_that_changes_something_is_a_write() {
        let event: AuditEvent = serde_json::from_str(EVENT).unwrap();
        let watch = AuditEvent {
            verb: "watch".to_owned(),
            ..event.clone()
        };
        let started = AuditEvent {
            stage: "ResponseStarted".to_owned(),
            ..event.clone()
        };

        assert!(event.is_write() && event.is_for("nodes", ""));
        assert!(!watch.is_write() && !started.is_write());
    }
}
