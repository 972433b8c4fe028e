//! Small runs, written by hand, that are right or wrong in one way each.

mod bound;
mod clocks;
mod gaps;
mod granted;
mod incarnations;
mod kubelet;
mod namespaces;
mod reading;
mod run;
mod untouched;
