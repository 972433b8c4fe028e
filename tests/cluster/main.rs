//! Tests on a real control plane. The files are a table of contents.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod attest;
