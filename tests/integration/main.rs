//! Tests that need no cluster.

// `cfg(test)` tells clippy that functions beside the tests may unwrap as the tests do.
#[cfg(test)]
mod simulator;
