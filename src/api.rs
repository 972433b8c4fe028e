//! The objects of `trustpool.dev/v1alpha1`, and every name that Trustpool writes elsewhere.

pub mod keys;
