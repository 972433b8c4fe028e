//! Simulator.

fn main() {}
