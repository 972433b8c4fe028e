//! The shared secret that clients may have to send, and how its traces are kept out of the journal.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Every header that carries a secret by its nature: the three spellings of OpenAttestation's, and
/// HTTP's own.
const SECRETS: [&str; 6] = [
    "auth-blob",
    "auth_blob",
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-auth-blob",
];

/// The header that every request must carry, and its value, which is never printed.
#[derive(Clone, Debug)]
pub struct Auth {
    header: HeaderName,
    /// Marked sensitive: `Debug` hides it.
    blob: HeaderValue,
}

/// A secret that no header can carry; which, is not said.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("an auth blob is visible ASCII, and not empty")]
pub struct BadBlob;

impl Auth {
    /// Asks for `blob` in `header`.
    ///
    /// # Errors
    ///
    /// `blob` is empty, or no header can carry it.
    pub fn new(header: HeaderName, blob: &str) -> Result<Self, BadBlob> {
        let mut value = HeaderValue::from_str(blob).map_err(|_error| BadBlob)?;
        if blob.is_empty() || value.to_str().is_err() {
            return Err(BadBlob);
        }
        value.set_sensitive(true);
        Ok(Self {
            header,
            blob: value,
        })
    }

    /// Says whether a request proves that it knows the secret.
    #[must_use]
    pub fn admits(&self, headers: &HeaderMap) -> bool {
        headers.get(&self.header) == Some(&self.blob)
    }

    /// The secret as text.
    fn secret(&self) -> &str {
        self.blob.to_str().unwrap_or_default()
    }
}

/// A header of a request, as the journal shows it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Header {
    /// As sent.
    Open {
        /// Its name, in lower case.
        name: String,
        /// Its value; what is not UTF-8 is replaced.
        value: String,
    },
    /// One that carries a secret, ours or another's: only its traces.
    Secret {
        /// Its name, in lower case.
        name: String,
        /// How long its value is, in bytes.
        length: usize,
        /// Whether its value is the secret asked for; `null` if none is.
        matched: Option<bool>,
    },
}

impl Header {
    /// How `value` under `name` is shown.
    pub(super) fn seen(name: &HeaderName, value: &HeaderValue, auth: Option<&Auth>) -> Self {
        let text = String::from_utf8_lossy(value.as_bytes());
        let hidden = SECRETS.contains(&name.as_str())
            || auth.is_some_and(|auth| *name == auth.header || text.contains(auth.secret()));
        let name = name.as_str().to_owned();
        if hidden {
            return Self::Secret {
                name,
                length: value.len(),
                matched: auth.map(|auth| auth.blob == *value),
            };
        }
        Self::Open {
            name,
            value: text.into_owned(),
        }
    }

    /// How many bytes it holds, about.
    pub(super) const fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Open { name, value } => name.len() + value.len(),
                Self::Secret { name, .. } => name.len(),
            }
    }
}

/// Takes the secret out of a path or query.
pub(super) fn redacted(text: &str, auth: Option<&Auth>) -> String {
    auth.map_or_else(
        || text.to_owned(),
        |auth| text.replace(auth.secret(), "[auth blob]"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth() -> Auth {
        Auth::new(HeaderName::from_static("x-pass"), "canary").unwrap()
    }

    #[test]
    fn only_the_exact_blob_in_the_right_header_is_admitted() {
        let cases = [
            (("x-pass", "canary"), true),
            (("x-pass", "Canary"), false),
            (("x-pass", "canary2"), false),
            (("x-auth-blob", "canary"), false),
        ];
        for ((name, value), expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));

            assert_eq!(auth().admits(&headers), expected, "{name}: {value}");
        }
        assert!(!auth().admits(&HeaderMap::new()));
    }

    #[test]
    fn a_blob_that_no_header_can_carry_is_refused_without_being_printed() {
        for blob in ["", "two\nlines", "schlüssel"] {
            let error = Auth::new(HeaderName::from_static("x-pass"), blob).unwrap_err();

            assert_eq!(
                error.to_string(),
                "an auth blob is visible ASCII, and not empty"
            );
        }
        assert!(!format!("{:?}", auth()).contains("canary"));
    }

    #[test]
    fn secrets_leave_their_length_and_nothing_else() {
        let secret = |name: &str, length, matched| Header::Secret {
            name: name.to_owned(),
            length,
            matched,
        };
        let cases = [
            (("x-pass", "canary"), secret("x-pass", 6, Some(true))),
            (("x-pass", "old"), secret("x-pass", 3, Some(false))),
            (("auth_blob", "canary"), secret("auth_blob", 6, Some(true))),
            (
                ("authorization", "Basic x"),
                secret("authorization", 7, Some(false)),
            ),
            (
                ("x-other", "my canary!"),
                secret("x-other", 10, Some(false)),
            ),
            (
                ("accept", "*/*"),
                Header::Open {
                    name: "accept".to_owned(),
                    value: "*/*".to_owned(),
                },
            ),
        ];
        for ((name, value), expected) in cases {
            let (name, value) = (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );

            assert_eq!(
                Header::seen(&name, &value, Some(&auth())),
                expected,
                "{name}"
            );
        }
        let (name, value) = (
            HeaderName::from_static("x-auth-blob"),
            HeaderValue::from_static("a"),
        );
        assert_eq!(
            Header::seen(&name, &value, None),
            secret("x-auth-blob", 1, None)
        );
    }
}
