//! Tests that need no cluster.

mod crds;
mod openattestation;
