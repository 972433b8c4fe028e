//! Trustpool.

fn main() {}
