//! Tests that need no cluster.

mod crds;
mod openattestation;
// `cfg(test)` tells clippy that functions beside the tests may unwrap as the tests do.
#[cfg(test)]
mod simulator;
