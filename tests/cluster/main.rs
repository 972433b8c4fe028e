//! Tests on a real control plane. The files are a table of contents.

// `cfg(test)` tells clippy that functions beside the tests may unwrap as the tests do.
#[cfg(test)]
mod attack;
#[cfg(test)]
mod attack_bind;
#[cfg(test)]
mod attack_many;
#[cfg(test)]
mod attack_without;
#[cfg(test)]
mod attest;
#[cfg(test)]
mod attest_batches;
#[cfg(test)]
mod attest_lies;
#[cfg(test)]
mod attest_outage;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod chart;
#[cfg(test)]
mod chart_adopts;
#[cfg(test)]
mod check;
#[cfg(test)]
mod cleanup;
#[cfg(test)]
mod crds;
#[cfg(test)]
mod extender_tls;
#[cfg(test)]
mod filter;
#[cfg(test)]
mod filter_full;
#[cfg(test)]
mod gate_ports;
#[cfg(test)]
mod invariant_1;
#[cfg(test)]
mod invariant_10;
#[cfg(test)]
mod invariant_2;
#[cfg(test)]
mod invariant_5;
#[cfg(test)]
mod invariant_5_evasion;
#[cfg(test)]
mod invariant_5_siege;
#[cfg(test)]
mod invariant_6;
#[cfg(test)]
mod invariant_9;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod leader;
#[cfg(test)]
mod load;
#[cfg(test)]
mod lose_evidence;
#[cfg(test)]
mod lose_identity;
#[cfg(test)]
mod lose_orders;
#[cfg(test)]
mod lose_silence;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod objects;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod policy_absent;
#[cfg(test)]
mod policy_additions;
#[cfg(test)]
mod policy_drift;
#[cfg(test)]
mod policy_mutators;
#[cfg(test)]
mod policy_namespaces;
#[cfg(test)]
mod policy_nodes;
#[cfg(test)]
mod policy_pods;
#[cfg(test)]
mod policy_records;
#[cfg(test)]
mod policy_updates;
#[cfg(test)]
mod policy_warnings;
#[cfg(test)]
mod policy_workloads;
#[cfg(test)]
mod preempt;
#[cfg(test)]
mod process;
#[cfg(test)]
mod record_order;
#[cfg(test)]
mod rolling;
#[cfg(test)]
mod scheduling;
#[cfg(test)]
mod secl;
#[cfg(test)]
mod secl_writes;
#[cfg(test)]
mod startup_taint;
#[cfg(test)]
mod support;
#[cfg(test)]
mod walk;
