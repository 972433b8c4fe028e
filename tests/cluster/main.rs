//! Tests on a real control plane.

mod crds;
