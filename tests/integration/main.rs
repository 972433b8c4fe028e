//! Tests that need no cluster.
mod extender;
