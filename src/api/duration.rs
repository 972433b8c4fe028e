//! Lengths of time as objects spell them, in the intersection of what Go, CEL and jiff parse.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::fmt::friendly::{Designator, Spacing, SpanPrinter};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What a schema demands. Six digits a unit, so that no sum overflows Go's 292 years.
const PATTERN: &str = "^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?([0-9]{1,6}ms)?$";
/// The longest text: `999999h59m59s999ms`. So all that is read and shorter than a million hours is
/// printed so that it can be read again; no field takes more than a day.
const LONGEST: usize = 18;
/// The most digits before a unit.
const DIGITS: usize = 6;

/// A length of time, never negative, in whole milliseconds: `1h30m`, `90s`, `500ms`.
///
/// `kube::core::Duration` has no pattern, so that CEL compares text with it; jiff's own type reads
/// less than a schema's `format: duration` admits (`1d`), so that a stored object could not be read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Duration(SignedDuration);

/// A text that is no [`Duration`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "must be a length of time in hours, minutes, seconds or milliseconds, such as 1h30m or 90s"
)]
pub struct NotADuration;

impl Duration {
    /// So many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u16) -> Self {
        // `as` would be a lossless widening, and `from` is not const.
        Self(SignedDuration::new(seconds as i64, 0))
    }

    /// The length.
    #[must_use]
    pub const fn length(self) -> SignedDuration {
        self.0
    }
}

impl FromStr for Duration {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // jiff reads much more: signs, blanks, days, fractions, ISO 8601.
        let units = |byte| matches!(byte, b'0'..=b'9' | b'h' | b'm' | b's');
        let mut digits = text.split(|sign: char| !sign.is_ascii_digit());
        let spelled = text.len() <= LONGEST
            && text.bytes().all(units)
            && digits.all(|digits| digits.len() <= DIGITS);
        if !spelled {
            return Err(NotADuration);
        }
        text.parse().map(Self).map_err(|_| NotADuration)
    }
}

impl TryFrom<String> for Duration {
    type Error = NotADuration;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PRINTER: SpanPrinter = SpanPrinter::new()
            .designator(Designator::Compact)
            .spacing(Spacing::None);
        f.write_str(&PRINTER.duration_to_string(&self.0))
    }
}

impl From<Duration> for String {
    fn from(duration: Duration) -> Self {
        duration.to_string()
    }
}

impl From<Duration> for SignedDuration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl From<Duration> for std::time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0.unsigned_abs()
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 2, "maxLength": LONGEST, "pattern": PATTERN})
    }
}

#[cfg(test)]
mod tests {
    use kube::core::cel::Validator;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_hours_minutes_seconds_and_milliseconds_in_this_order_are_read() {
        let millis = |millis| Ok(Duration(SignedDuration::from_millis(millis)));
        let table = [
            ("1h30m", millis(5_400_000)),
            ("90s", millis(90_000)),
            ("30ms", millis(30)),
            ("1m30ms", millis(60_030)),
            ("0s", millis(0)),
            ("999999h", millis(999_999 * 3_600_000)),
            ("", Err(NotADuration)),
            ("5", Err(NotADuration)),
            ("-5m", Err(NotADuration)),
            ("+5m", Err(NotADuration)),
            ("1d", Err(NotADuration)),
            ("1.5h", Err(NotADuration)),
            ("1h 30m", Err(NotADuration)),
            ("30m1h", Err(NotADuration)),
            ("1h1h", Err(NotADuration)),
            ("PT5M", Err(NotADuration)),
            ("5min", Err(NotADuration)),
            ("5us", Err(NotADuration)),
            ("1000000h", Err(NotADuration)),
            ("99999999999999999999h", Err(NotADuration)),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<Duration>(), expected, "{text}");
        }
    }

    /// What the schema's pattern and CEL's `duration()` say to `text`.
    fn admitted(text: &str) -> bool {
        let rule = format!("self.matches('{PATTERN}') && duration(self) >= duration('0s')");
        let schema = json!({"type": "string", "x-kubernetes-validations": [{"rule": rule}]});
        let long_enough = (2..=LONGEST).contains(&text.len());
        long_enough
            && Validator::new()
                .validate(&schema, &json!(text), None)
                .is_ok()
    }

    proptest! {
        #[test]
        fn what_the_schema_admits_is_read_and_nothing_else(text in "[0-9]{0,7}[hms]{0,2}[0-9]{0,2}[hms]{0,2}") {
            prop_assert_eq!(text.parse::<Duration>().is_ok(), admitted(&text), "{}", text);
        }

        #[test]
        fn what_is_printed_is_admitted_and_reads_the_same(millis in 0_i64..999_999 * 3_600_000) {
            let duration = Duration(SignedDuration::from_millis(millis));

            let text = duration.to_string();

            prop_assert!(admitted(&text), "{}", text);
            prop_assert_eq!(text.parse(), Ok(duration));
        }
    }
}
