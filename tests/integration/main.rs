//! Tests that need no cluster.

// `cfg(test)` tells clippy that functions beside the tests may unwrap as the tests do.
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod architecture;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod crds;
#[cfg(test)]
mod extender;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod hints;
#[cfg(test)]
mod image;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod mutual_tls;
#[cfg(test)]
mod openattestation;
#[cfg(test)]
mod pki;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod simulator;
#[cfg(test)]
mod tls;
