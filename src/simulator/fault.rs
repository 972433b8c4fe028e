//! What goes wrong on the service port, whoever is asked about.

use std::fmt;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What goes wrong with every request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(into = "Form", try_from = "Form")]
pub enum Fault {
    /// Connections are closed without an answer, open ones too.
    Down,
    /// 200, with a text that is not JSON.
    Garbage,
    /// Requests are read and never answered.
    Hang,
    /// Nothing.
    #[default]
    None,
    /// This status, with an error in the dialect's own form.
    Status(StatusCode),
    /// The answer declares its full length, stops half way and closes.
    Truncate,
}

/// The word for a fault.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// [`Fault::Down`].
    Down,
    /// [`Fault::Garbage`].
    Garbage,
    /// [`Fault::Hang`].
    Hang,
    /// [`Fault::None`].
    #[default]
    None,
    /// [`Fault::Status`].
    Status,
    /// [`Fault::Truncate`].
    Truncate,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "down",
            Self::Garbage => "garbage",
            Self::Hang => "hang",
            Self::None => "none",
            Self::Status => "status",
            Self::Truncate => "truncate",
        })
    }
}

/// A fault as the admin port spells it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Form {
    kind: Kind,
    /// For [`Kind::Status`] only; 503 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

/// A status that ends no request, or none at all.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("field `status`: `{0}` is not between 200 and 599")]
pub struct BadStatus(u16);

impl Fault {
    /// Its word.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Down => Kind::Down,
            Self::Garbage => Kind::Garbage,
            Self::Hang => Kind::Hang,
            Self::None => Kind::None,
            Self::Status(_) => Kind::Status,
            Self::Truncate => Kind::Truncate,
        }
    }
}

impl From<Fault> for Form {
    fn from(fault: Fault) -> Self {
        Self {
            kind: fault.kind(),
            status: match fault {
                Fault::Status(status) => Some(status.as_u16()),
                Fault::Down | Fault::Garbage | Fault::Hang | Fault::None | Fault::Truncate => None,
            },
        }
    }
}

impl TryFrom<Form> for Fault {
    type Error = BadStatus;

    fn try_from(form: Form) -> Result<Self, BadStatus> {
        Ok(match form.kind {
            Kind::Down => Self::Down,
            Kind::Garbage => Self::Garbage,
            Kind::Hang => Self::Hang,
            Kind::None => Self::None,
            Kind::Status => Self::Status(status(form.status.unwrap_or(503))?),
            Kind::Truncate => Self::Truncate,
        })
    }
}

/// A status that can end a request.
fn status(code: u16) -> Result<StatusCode, BadStatus> {
    if !(200..=599).contains(&code) {
        return Err(BadStatus(code));
    }
    StatusCode::from_u16(code).map_err(|_error| BadStatus(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_a_kind_and_for_one_kind_a_status() {
        let cases = [
            (r#"{"kind":"none"}"#, Ok(Fault::None)),
            (r#"{"kind":"down","status":503}"#, Ok(Fault::Down)),
            (
                r#"{"kind":"status"}"#,
                Ok(Fault::Status(StatusCode::SERVICE_UNAVAILABLE)),
            ),
            (
                r#"{"kind":"status","status":599}"#,
                Ok(Fault::Status(StatusCode::from_u16(599).unwrap())),
            ),
            (
                r#"{"kind":"status","status":199}"#,
                Err("field `status`: `199` is not between 200 and 599"),
            ),
            (
                r#"{"kind":"status","status":600}"#,
                Err("field `status`: `600` is not between 200 and 599"),
            ),
        ];
        for (given, expected) in cases {
            let fault = serde_json::from_str::<Fault>(given).map_err(|error| error.to_string());

            assert_eq!(fault, expected.map_err(str::to_owned), "{given}");
        }
    }

    #[test]
    fn a_fault_that_is_written_reads_back() {
        for fault in [
            Fault::Down,
            Fault::Garbage,
            Fault::Hang,
            Fault::None,
            Fault::Status(StatusCode::BAD_GATEWAY),
            Fault::Truncate,
        ] {
            let json = serde_json::to_value(fault).unwrap();

            assert_eq!(json["kind"], fault.kind().to_string());
            assert_eq!(serde_json::from_value::<Fault>(json).unwrap(), fault);
        }
    }
}
