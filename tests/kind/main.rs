//! The chart and the image on a real cluster with real kubelets, which `make kind` makes. The files are a table of
//! contents; each test installs what it needs, in whichever order they run, one at a time.

// `cfg(test)` tells clippy that functions beside the tests may unwrap as the tests do.
#[cfg(test)]
mod extender;
#[cfg(test)]
mod kubelet;
#[cfg(test)]
mod leader;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod support;
#[cfg(test)]
mod uninstall;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod workers;
