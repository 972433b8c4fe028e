//! Tests on a real control plane. The files are a table of contents.

// `cfg(test)` tells clippy that functions beside the tests may unwrap as the tests do.
#[cfg(test)]
mod attest;
#[cfg(test)]
mod crds;
