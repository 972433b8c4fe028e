# Every target sets up all it needs; Rust (rustup) and Go must be there. `make` lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help demo test soak bench image kind kind-files kind-down crds format lint docs manifests generated tools

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

test: format lint docs generated ## Format, lints, docs, generated files, and every test (25 min once built)
	@tests/controlplane/build > /dev/null
	@tests/controlplane/helm/build > /dev/null
	cargo test --workspace --no-fail-fast

# With a test among the targets, cargo gives every crate the features that tests need: whichever of
# `make demo` and `make test` comes second finds what the first has built.
demo: tools ## A story on a real control plane, every claim checked; KEEP=1 leaves it running
	@tests/controlplane/build > /dev/null
	@cargo build --package trustpool --bins --package trustpool-harness --bin demo --test leash
	@exec "$${CARGO_TARGET_DIR:-target}/debug/demo"

# Property tests with many more cases from a printed seed, a random walk of many more steps and many more random
# kills from the same seed, and the cluster tests several times over, with several times as many steps, turns and
# rounds in each. 10,000 steps of the walk take about half an hour, 200 kills eight minutes.
SEED := $(or $(SEED),$(shell od -An -N6 -tu8 /dev/urandom | tr -d ' '))
CASES ?= 20000
TIMES ?= 5
STEPS ?= 5
WALK ?= 10000
KILLS ?= 200
soak: tools ## The long version of the tests: SEED=, CASES=, WALK=, KILLS=, TIMES= and STEPS= set them
	@tests/controlplane/build > /dev/null
	@echo "seed $(SEED), $(CASES) cases, a walk of $(WALK) steps, $(KILLS) kills; cluster tests $(TIMES) times, with $(STEPS) times the steps"
	@echo "repeat with: make soak SEED=$(SEED) CASES=$(CASES) WALK=$(WALK) KILLS=$(KILLS) TIMES=$(TIMES) STEPS=$(STEPS)"
	PROPTEST_RNG_SEED=$(SEED) PROPTEST_CASES=$(CASES) cargo test --workspace --lib --test integration
	TRUSTPOOL_SEED=$(SEED) TRUSTPOOL_WALK=$(WALK) cargo test --test cluster random_walk -- --nocapture
	TRUSTPOOL_SEED=$(SEED) TRUSTPOOL_KILLS=$(KILLS) cargo test --test cluster killed_at_random -- --nocapture
	@for time in $$(seq $(TIMES)); do \
		echo "cluster tests, $$time of $(TIMES)"; \
		TRUSTPOOL_STEPS=$(STEPS) cargo test --test cluster; \
	done

bench: tools ## Measure filter, marking, memory and scheduling against floors of the same run; BENCH=names,full,mark,memory,schedule
	@tests/controlplane/build > /dev/null
	@cargo build --release --package trustpool --bin trustpool --bin oat-simulator --package trustpool-harness --bin bench
	@exec "$${CARGO_TARGET_DIR:-target}/release/bench"

image: ## Build the images trustpool and trustpool-simulator, on this machine where no registry can be reached
	@image/build

# KIND_NODE_IMAGE names another node image than kind's own.
kind: ## A kind cluster with Trustpool on it, and its tests on real kubelets; it stays, for you to look at
	@tests/kind/up
	cargo test --package trustpool --test kind -- --test-threads=1
	@tests/kind/up hints

kind-files: ## What kind-config.yaml mounts into its nodes
	@tests/kind/up files

kind-down: ## Delete that cluster
	@tests/kind/up down

crds: tools ## Write the custom resource definitions to crds/ and the chart
	cargo run --quiet --bin trustpool -- crds --dir crds
	cargo run --quiet --bin trustpool -- crds --dir charts/trustpool/files/crds

# Values first: helm reads them.
manifests: tools ## Write what comes from the chart: manifests/, its values.yaml and README, golden files of its tests
	UPDATE=1 cargo test --quiet --package trustpool --test chart values::
	UPDATE=1 cargo test --quiet --package trustpool --test chart

format: tools
	cargo fmt --all --check

lint: tools
	cargo clippy --workspace --all-targets -- -D warnings

docs: tools
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items

generated: tools
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	cargo run --quiet --bin trustpool -- crds --dir "$$fresh"; \
	diff -ru crds "$$fresh" || { echo 'crds/ is stale: run `make crds` and commit'; exit 1; }; \
	diff -ru charts/trustpool/files/crds "$$fresh" || { echo 'the chart has stale definitions: run `make crds` and commit'; exit 1; }
	cargo test --quiet --package trustpool --test chart || { echo 'if the chart was meant to change: run `make manifests`, look at it, and commit'; exit 1; }

tools:
	@command -v cargo > /dev/null || { echo 'cargo is missing: install Rust with rustup; rust-toolchain.toml names the version'; exit 1; }
	@command -v go > /dev/null || { echo "go is missing: the control plane of tests and demo is built from Go modules; install Go $$(awk '$$1 == "go" {print $$2}' tests/controlplane/go.mod) or newer"; exit 1; }
