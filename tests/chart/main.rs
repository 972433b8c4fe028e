//! The chart, rendered without a cluster: what each setup comes to, what is refused, and what is generated from it.
//!
//! `UPDATE=1 cargo test --test chart` writes golden files, `manifests/`, `values.yaml` and the chart's README anew.

// `cfg(test)` tells clippy that functions beside the tests may unwrap as the tests do.
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod extender;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod render;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod values;
