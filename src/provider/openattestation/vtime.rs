//! The time in an entry, as the servers write it.

use jiff::Timestamp;
use serde_json::Value;

/// Reads `vtime`: ISO 8601 with an offset (1.x: `+02:00`; 2.x: `+0000`; a fraction unless it is
/// zero), or milliseconds since 1970 as an integer (2.x that was packed without its date format).
///
/// Nothing else names one instant. Open CIT's `Mon Sep 30 02:09:58 2013` has the month where the
/// minutes belong; a time without an offset is in a zone that only the server knows; a zone in
/// brackets may contradict the offset before it.
pub fn read(vtime: &Value) -> Option<Timestamp> {
    match vtime {
        Value::Number(number) => Timestamp::from_millisecond(number.as_i64()?).ok(),
        Value::String(text) => iso(text),
        _ => None,
    }
}

fn iso(text: &str) -> Option<Timestamp> {
    let separated = text.as_bytes().get(10) == Some(&b'T');
    let zoned = text.contains('[');
    if !separated || zoned {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_that_a_server_sends_is_read() {
        let table = [
            (json!("2013-05-16T14:14:44.881+08:00"), 1_368_684_884_881),
            (json!("2013-09-30T11:49:58+02:00"), 1_380_534_598_000),
            (json!("2014-02-20T17:56:24+01:00"), 1_392_915_384_000),
            (json!("2016-02-29T22:29:26.365+0000"), 1_456_784_966_365),
            (json!("2016-02-29T22:29:26Z"), 1_456_784_966_000),
            (json!("2012-09-09T05:10:40-04:00"), 1_347_181_840_000),
            (json!("2012-09-09T05:10:40-0400"), 1_347_181_840_000),
            (json!(1_380_534_598_715_u64), 1_380_534_598_715),
        ];
        for (vtime, millis) in table {
            let expected = Timestamp::from_millisecond(millis).unwrap();
            assert_eq!(read(&vtime), Some(expected), "{vtime}");
        }
    }

    #[test]
    fn whatever_does_not_name_one_instant_is_no_time() {
        let table = [
            json!(null),
            json!(true),
            json!(""),
            json!("now"),
            json!("Mon Sep 30 02:09:58 2013"),
            json!("Wed Jun 5 09:06:16 2013"),
            json!("Fri Nov 20 13:24:21 UTC 2026"),
            json!("11/20/26"),
            json!("1795181061"),
            json!("2026-11-20"),
            json!("2026-11-20T13:24:21"),
            json!("2026-11-20 13:24:21Z"),
            json!("20261120T132421Z"),
            json!("2026-02-30T13:24:21Z"),
            json!("2026-11-20T25:24:21Z"),
            json!("2026-11-20T13:24:21+26:00"),
            json!("2026-11-20T13:24:21Z[Europe/Paris]"),
            json!("2026-11-20T13:24:21[Europe/Paris]"),
            json!("2026-11-20T13:24:21Z "),
            json!(" 2026-11-20T13:24:21Z"),
            json!("-9999-01-01T00:00:00+14:00"),
            json!("+010000-01-01T00:00:00Z"),
            json!(1.5),
            json!(1_380_534_598_715.0),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e300),
            json!([1_380_534_598_715_u64]),
            json!({"time": 1_380_534_598_715_u64}),
        ];
        for vtime in table {
            assert_eq!(read(&vtime), None, "{vtime}");
        }
    }

    #[test]
    fn extreme_years_are_read_or_refused_and_never_wrap() {
        let first = read(&json!("0001-01-01T00:00:00+14:00")).unwrap();
        let last = read(&json!("9999-12-30T22:00:00Z")).unwrap();

        assert!(first < last);
        assert_eq!(read(&json!("9999-12-31T23:59:59-25:00")), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}") {
            read(&json!(text));
        }

        #[test]
        fn no_number_panics_and_milliseconds_come_back(millis: i64) {
            if let Some(time) = read(&json!(millis)) {
                prop_assert_eq!(time.as_millisecond(), millis);
            }
        }

        #[test]
        fn what_is_printed_is_read(seconds in -60_000_000_000_i64..200_000_000_000) {
            let time = Timestamp::from_second(seconds).unwrap();
            prop_assert_eq!(read(&json!(time.to_string())), Some(time));
        }
    }
}
