//! Tests that need no cluster.

mod openattestation;
