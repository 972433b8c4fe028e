//! Full Nodes: found in the request's own bytes and answered with slices of them. 57 MB are scanned
//! once and copied never; decoding them into Kubernetes' types takes ten times as long.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::wire::Text;

/// One Node of a request.
#[derive(Debug)]
pub struct Item<'a> {
    /// The Node as it came, a slice of the request.
    pub raw: &'a str,
    /// `metadata.name`, if it has one.
    pub name: Option<Cow<'a, str>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Item<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?.get();
        // At once, while the item is in the processor's cache.
        let name = name(raw);
        Ok(Self { raw, name })
    }
}

/// `metadata.name` of the Node `raw`.
///
/// Go writes `metadata` first, so nearly all of the Node is left unread here; that halves the time
/// of the whole request.
fn name(raw: &str) -> Option<Cow<'_, str>> {
    let mut name = None;
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    match deserializer.deserialize_map(NameVisitor(&mut name)) {
        // Whether an error, the end or the name ended it: only the name tells.
        Ok(()) | Err(_) => name,
    }
}

/// Fills in the name and breaks off: serde has no other way to leave the rest of a value unread.
struct NameVisitor<'s, 'de>(&'s mut Option<Cow<'de, str>>);

impl<'de> Visitor<'de> for NameVisitor<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Node")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut node: A) -> Result<(), A::Error> {
        while let Some(Text(key)) = node.next_key()? {
            if key == "metadata" {
                let metadata: Metadata<'_> = node.next_value()?;
                *self.0 = Some(metadata.name);
                return Err(A::Error::custom("read enough"));
            }
            let IgnoredAny = node.next_value()?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

/// The stretches of `body` with the items that are `kept`, each from its first item to its last,
/// commas between them included; `None` if an item is not a slice of `body`.
pub fn stretches(body: &Bytes, items: &[(&str, Kept)]) -> Option<Vec<Bytes>> {
    items
        .chunk_by(|(_, one), (_, next)| one == next)
        .filter_map(|run| match run {
            [(first, Kept::Yes), .., (last, _)] | [(first @ last, Kept::Yes)] => {
                Some((first, last))
            }
            _ => None,
        })
        .map(|(first, last)| stretch(body, first, last))
        .collect()
}

/// Whether a Node is in the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kept {
    /// It is refused.
    No,
    /// It is kept.
    Yes,
}

/// The slice of `body` from the start of `first` to the end of `last`.
fn stretch(body: &Bytes, first: &str, last: &str) -> Option<Bytes> {
    let base = body.as_ptr().addr();
    let start = first.as_ptr().addr().checked_sub(base)?;
    let end = last
        .as_ptr()
        .addr()
        .checked_sub(base)?
        .checked_add(last.len())?;
    body.get(start..end).map(|slice| body.slice_ref(slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_wherever_it_stands() {
        let table = [
            (r#"{"metadata":{"name":"a"}}"#, Some("a")),
            (
                r#"{"spec":{"metadata":{"name":"b"}},"metadata":{"uid":"u","name":"a"}}"#,
                Some("a"),
            ),
            (
                r#"{ "metadata" : { "labels" : {"name":"b"} , "name" : "\u0061" } }"#,
                Some("a"),
            ),
            (r#"{"meta\u0064ata":{"name":"a"}}"#, Some("a")),
            (r#"{"metadata":{}}"#, None),
            (r#"{"metadata":{"name":1}}"#, None),
            (r#"{"name":"a"}"#, None),
            ("{}", None),
            ("[]", None),
            ("null", None),
        ];
        for (given, expected) in table {
            assert_eq!(name(given).as_deref(), expected, "{given}");
        }
    }

    #[test]
    fn neighbours_are_one_slice_with_the_bytes_between_them() {
        let body = Bytes::from_static(b"[1, 22 ,333,4444]");
        let text = std::str::from_utf8(&body).unwrap();
        let items: Vec<&RawValue> = serde_json::from_str(text).unwrap();
        let table: [(&[usize], &[&str]); 5] = [
            (&[], &[]),
            (&[0], &["1"]),
            (&[0, 1, 2, 3], &["1, 22 ,333,4444"]),
            (&[1, 2], &["22 ,333"]),
            (&[0, 2, 3], &["1", "333,4444"]),
        ];
        for (given, expected) in table {
            let kept = |index| {
                if given.contains(&index) {
                    Kept::Yes
                } else {
                    Kept::No
                }
            };
            let kept: Vec<_> = (0..)
                .zip(&items)
                .map(|(n, item)| (item.get(), kept(n)))
                .collect();

            assert_eq!(stretches(&body, &kept).unwrap(), expected, "{given:?}");
        }
    }

    #[test]
    fn what_is_not_of_the_body_is_not_sliced() {
        let body = Bytes::from_static(b"[1]");

        assert_eq!(stretches(&body, &[("elsewhere", Kept::Yes)]), None);
    }
}
