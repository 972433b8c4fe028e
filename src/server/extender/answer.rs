//! The answers to the scheduler, written straight into the bytes that are sent. All five keys are
//! always there; `NodeNames` is never null, which kube-scheduler would read as "no node fits".

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Response};
use bytes::Bytes;
use futures::stream;
use serde::Serialize;

use crate::domain::Refusal;

use super::super::metrics::Tally;

/// What comes before the names.
const HEAD: &[u8] = br#"{"NodeNames":["#;
/// Between the names and the refused. `FailedNodes` is for what preemption can mend: nothing here.
const REFUSED: &[u8] = br#"],"FailedNodes":{},"FailedAndUnresolvableNodes":{"#;
/// Between the refused and the nodes.
const NODES: &[u8] = br#"},"Error":"","Nodes":"#;

/// The two lists of an answer, as they grow.
#[derive(Debug)]
pub struct Lists {
    names: Vec<u8>,
    refused: Vec<u8>,
    /// How long the names may become. Memory that is not written to costs nothing; moving does.
    longest: usize,
    tally: Tally,
}

impl Lists {
    /// Lists for the answer to a request of so many bytes.
    pub fn for_names(bytes: usize) -> Self {
        let longest = bytes + HEAD.len() + REFUSED.len();
        let mut names = Vec::with_capacity(longest);
        names.extend_from_slice(HEAD);
        Self {
            names,
            refused: Vec::new(),
            longest,
            tally: Tally::default(),
        }
    }

    /// Adds the node `name` to those that fit.
    ///
    /// # Errors
    ///
    /// None in fact: memory takes everything.
    pub fn keep(&mut self, name: &str) -> serde_json::Result<()> {
        separate(&mut self.names, b'[');
        quote(&mut self.names, name)
    }

    /// Adds the node `name` to those that do not fit.
    ///
    /// # Errors
    ///
    /// None in fact: memory takes everything.
    pub fn refuse(&mut self, name: &str, refusal: Refusal) -> serde_json::Result<()> {
        self.tally.count(refusal);
        if self.refused.is_empty() {
            // A reason is longer than a name.
            self.refused.reserve(2 * self.longest);
        } else {
            self.refused.push(b',');
        }
        quote(&mut self.refused, name)?;
        self.refused.push(b':');
        quote(&mut self.refused, refusal.as_str())
    }

    /// The answer to a request with names.
    pub fn names(self) -> Answer {
        let tally = self.tally;
        let [names, mut refused] = self.finish();
        refused.extend_from_slice(b"null}");
        Answer {
            pieces: vec![names.into(), refused.into()],
            tally,
        }
    }

    /// The answer to a request with Nodes: `stretches` holds those that fit.
    pub fn nodes(self, stretches: Vec<Bytes>) -> Answer {
        let tally = self.tally;
        let [names, mut refused] = self.finish();
        refused.extend_from_slice(br#"{"metadata":{},"items":["#);
        let mut pieces = Vec::with_capacity(2 * stretches.len() + 3);
        pieces.extend([names.into(), refused.into()]);
        for (index, stretch) in stretches.into_iter().enumerate() {
            if index > 0 {
                pieces.push(Bytes::from_static(b","));
            }
            pieces.push(stretch);
        }
        pieces.push(Bytes::from_static(b"]}}"));
        Answer { pieces, tally }
    }

    /// All but the value of `Nodes`, in two pieces.
    fn finish(mut self) -> [Vec<u8>; 2] {
        self.names.extend_from_slice(REFUSED);
        self.refused.extend_from_slice(NODES);
        [self.names, self.refused]
    }
}

/// The nodes of an answer to `/preempt`, as they are added.
#[derive(Debug)]
pub struct Allowed(Vec<u8>);

impl Allowed {
    /// None yet.
    pub fn new() -> Self {
        Self(br#"{"NodeNameToMetaVictims":{"#.to_vec())
    }

    /// Adds the node `name`, with who has to go there.
    ///
    /// # Errors
    ///
    /// None in fact: memory takes everything.
    pub fn add(&mut self, name: &str, victims: &impl Serialize) -> serde_json::Result<()> {
        separate(&mut self.0, b'{');
        quote(&mut self.0, name)?;
        self.0.push(b':');
        serde_json::to_writer(&mut self.0, victims)
    }

    /// The answer.
    pub fn finish(mut self) -> Answer {
        self.0.extend_from_slice(b"}}");
        Answer {
            pieces: vec![self.0.into()],
            tally: Tally::default(),
        }
    }
}

/// An answer, in pieces that make one JSON document.
#[derive(Debug)]
pub struct Answer {
    pieces: Vec<Bytes>,
    /// The refusals in it.
    pub tally: Tally,
}

impl Answer {
    /// The answer to a request that got none: no node, and `sentence` as its error.
    ///
    /// # Errors
    ///
    /// None in fact: memory takes everything.
    pub fn error(sentence: &str) -> serde_json::Result<Self> {
        let mut all = [HEAD, REFUSED, br#"},"Nodes":null,"Error":"#].concat();
        quote(&mut all, sentence)?;
        all.push(b'}');
        Ok(Self {
            pieces: vec![all.into()],
            tally: Tally::default(),
        })
    }

    /// Status 200, with its length: kube-scheduler keeps the connection.
    pub fn into_response(self) -> Response<Body> {
        let length: usize = self.pieces.iter().map(Bytes::len).sum();
        let pieces = self.pieces.into_iter().map(Ok::<_, Infallible>);
        let mut response = Response::new(Body::from_stream(stream::iter(pieces)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_LENGTH, length.into());
        response
    }
}

/// Adds a comma, unless `list` ends with the bracket that opens it.
fn separate(list: &mut Vec<u8>, open: u8) {
    if list.last() != Some(&open) {
        list.push(b',');
    }
}

/// Adds `text` as a JSON string.
///
/// `serde_json` looks at one byte after the other, which took a fifth of a request's time. Names
/// of nodes have nothing to escape, and that is found out for many bytes at once.
fn quote(list: &mut Vec<u8>, text: &str) -> serde_json::Result<()> {
    let escapes = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // No early end, so that the compiler makes vector instructions of it.
    if text.bytes().fold(false, |any, byte| any | escapes(byte)) {
        return serde_json::to_writer(list, text);
    }
    list.push(b'"');
    list.extend_from_slice(text.as_bytes());
    list.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_string_is_quoted_as_serde_json_does(text in any::<String>(), tail in "[ -~]{0,40}") {
            for text in [&text, &tail, &format!("{tail}{text}")] {
                let mut given = Vec::new();
                quote(&mut given, text).unwrap();

                prop_assert_eq!(given, serde_json::to_vec(text).unwrap());
            }
        }
    }
}
