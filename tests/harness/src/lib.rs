//! Starts control planes, simulators and Trustpool for tests, demo and benchmarks.
