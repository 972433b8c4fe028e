//! The scheduler's requests, extender protocol v1: Go structs without tags, so the keys are Go's
//! field names. Everything is borrowed from the request's own bytes.
//!
//! Source: `kube-scheduler/extender/v1/types.go`, the same in Kubernetes 1.36 and 1.37.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::error::Category;
use serde_json::value::RawValue;
use thiserror::Error;

use super::bounded::{Entries, Few};
use super::pod::Pod;
use super::slices::Item;

/// Longest path to a value that an error names, in characters: it ends in the pod's event.
const LONGEST_PATH: usize = 200;

/// Why a request cannot be read. Says where, never what was there: this text becomes an event.
#[derive(Debug, Eq, Error, PartialEq)]
pub enum Unreadable {
    /// Both of two fields that exclude each other.
    #[error("cannot read the request: it has both `{0}` and `{1}`")]
    Both(&'static str, &'static str),
    /// Not JSON, or not of the right shape.
    #[error("cannot read {place} of the request: {problem} at line {line} column {column}")]
    Json {
        /// The path of the value.
        place: String,
        /// What is the matter.
        problem: &'static str,
        /// Line, from 1.
        line: usize,
        /// Column in bytes, from 1.
        column: usize,
    },
    /// A field that must be there.
    #[error("cannot read the request: `{0}` is missing")]
    Missing(&'static str),
    /// Neither of two fields, one of which must be there.
    #[error("cannot read the request: `{0}` and `{1}` are both missing")]
    Neither(&'static str, &'static str),
    /// A node without a name.
    #[error("cannot read the request: `Nodes.items[{0}].metadata.name` is missing")]
    NoName(usize),
    /// Not text.
    #[error("cannot read the request: not UTF-8 at byte {0}")]
    NotText(usize),
}

/// A string, borrowed wherever it has no escapes: serde borrows a `Cow` in a field of its own only.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A request to `/filter`.
#[derive(Debug)]
pub struct Filter<'a> {
    /// Who asks.
    pub pod: Pod<'a>,
    /// Which nodes.
    pub candidates: Candidates<'a>,
}

/// The nodes of a request, as the scheduler was told to send them.
#[derive(Debug)]
pub enum Candidates<'a> {
    /// `nodeCacheCapable: true`.
    Names(Vec<Text<'a>>),
    /// `nodeCacheCapable: false`.
    Nodes(Vec<Item<'a>>),
}

impl<'a> Filter<'a> {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not one.
    pub fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        let args: FilterArgs<'a> = read(body)?;
        let pod = args.pod.ok_or(Unreadable::Missing("Pod"))?;
        let candidates = match (args.nodes, args.node_names) {
            (None, Some(names)) => Candidates::Names(names.0),
            (Some(nodes), None) => {
                Candidates::Nodes(nodes.items.map_or_else(Vec::new, |items| items.0))
            }
            (Some(_), Some(_)) => return Err(Unreadable::Both("Nodes", "NodeNames")),
            (None, None) => return Err(Unreadable::Neither("Nodes", "NodeNames")),
        };
        Ok(Self { pod, candidates })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FilterArgs<'a> {
    #[serde(borrow)]
    pod: Option<Pod<'a>>,
    #[serde(borrow)]
    nodes: Option<NodeList<'a>>,
    #[serde(borrow)]
    node_names: Option<Few<Text<'a>>>,
}

#[derive(Deserialize)]
struct NodeList<'a> {
    #[serde(borrow)]
    items: Option<Few<Item<'a>>>,
}

/// A request to `/preempt`.
#[derive(Debug)]
pub struct Preempt<'a> {
    /// Who asks.
    pub pod: Pod<'a>,
    /// On which nodes, and who would have to go there.
    pub candidates: Victims<'a>,
}

/// The nodes of a request to `/preempt`, with who would have to go.
#[derive(Debug)]
pub enum Victims<'a> {
    /// `nodeCacheCapable: false`.
    Full(Entries<'a, FullVictims<'a>>),
    /// `nodeCacheCapable: true`: what the answer has, too, so it is not looked into.
    Meta(Entries<'a, &'a RawValue>),
}

impl<'a> Preempt<'a> {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// It is not one.
    pub fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        const FULL: &str = "NodeNameToVictims";
        const META: &str = "NodeNameToMetaVictims";
        let args: PreemptArgs<'a> = read(body)?;
        let pod = args.pod.ok_or(Unreadable::Missing("Pod"))?;
        let candidates = match (args.full, args.meta) {
            (None, Some(meta)) => Victims::Meta(meta),
            (Some(full), None) => Victims::Full(full),
            (Some(_), Some(_)) => return Err(Unreadable::Both(FULL, META)),
            (None, None) => return Err(Unreadable::Neither(FULL, META)),
        };
        Ok(Self { pod, candidates })
    }
}

#[derive(Deserialize)]
struct PreemptArgs<'a> {
    #[serde(borrow, rename = "Pod")]
    pod: Option<Pod<'a>>,
    #[serde(borrow, rename = "NodeNameToVictims")]
    full: Option<Entries<'a, FullVictims<'a>>>,
    #[serde(borrow, rename = "NodeNameToMetaVictims")]
    meta: Option<Entries<'a, &'a RawValue>>,
}

/// Whole pods that would have to go; of each, only the UID is read. Written as `MetaVictims`.
#[derive(Debug, Deserialize, Serialize)]
pub struct FullVictims<'a> {
    #[serde(borrow, rename = "Pods")]
    pods: Option<Vec<FullVictim<'a>>>,
    #[serde(default, rename = "NumPDBViolations")]
    violations: i64,
}

#[derive(Debug, Deserialize, Serialize)]
struct FullVictim<'a> {
    #[serde(borrow, rename(deserialize = "metadata", serialize = "UID"))]
    metadata: Uid<'a>,
}

/// The `metadata` of a pod, read for its UID and written as that.
#[derive(Debug, Deserialize)]
struct Uid<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
}

impl Serialize for Uid<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.uid)
    }
}

/// Decodes `body`, borrowing from it.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unreadable> {
    // Once for the whole body: serde_json would look at each string by itself.
    let text =
        std::str::from_utf8(body).map_err(|error| Unreadable::NotText(error.valid_up_to()))?;
    serde_json::from_str(text).map_err(|error| explain::<T>(text, &error))
}

/// Finds the path of what failed with `error`, by reading again. serde's own text is left out: it
/// quotes the value, and a pod holds secrets.
fn explain<'a, T: Deserialize<'a>>(text: &'a str, error: &serde_json::Error) -> Unreadable {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let read: Result<T, _> = serde_path_to_error::deserialize(&mut deserializer);
    let path = read.map_or_else(|failed| failed.path().to_string(), |_| String::new());
    Unreadable::Json {
        place: match path.as_str() {
            "" | "." | "?" => "the body".to_owned(),
            path => format!("`{}`", path.chars().take(LONGEST_PATH).collect::<String>()),
        },
        problem: match error.classify() {
            Category::Data => "not what kube-scheduler sends",
            Category::Eof => "the JSON breaks off",
            Category::Io | Category::Syntax => "not JSON",
        },
        line: error.line(),
        column: error.column(),
    }
}
