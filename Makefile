# Every command that a person needs. Prerequisites: Rust (rustup), Python 3 with venv, make.

.DEFAULT_GOAL := help
.PHONY: help prerequisites venv build demo test crash soak reliability reliability-functions pace fuzz check bench-core

# The continuous integration sets this to --locked; whoever changes dependencies must not.
LOCKED ?=
PYTHON ?= python3
VENV := .venv
# Written when the packages are in place, so that they are installed anew only when the list changes.
STAMP := $(VENV)/.installed
REQUIREMENTS := tests/standin/requirements.txt
PYTHON_CODE := demo tests/e2e tests/reliability tests/standin
# Always the whole workspace: with a single package cargo chooses other features for the
# dependencies, and builds the AWS SDK once more.
WORKSPACE := --workspace $(LOCKED)

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

prerequisites:
	@command -v cargo >/dev/null || { \
	  echo "cargo is missing: install Rust with rustup, from https://rustup.rs" >&2; exit 1; }
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "$(PYTHON) is missing, older than 3.11, or lacks venv (on Debian: apt install python3-venv)" >&2; \
	  exit 1; }

$(STAMP): $(REQUIREMENTS) | prerequisites
	@echo "Installing the Python packages into $(VENV)."
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $(REQUIREMENTS)
	@touch $@

venv: $(STAMP) ## Make the Python environment that demo and tests need

build: | prerequisites ## Build the functions and the command
	cargo build $(WORKSPACE)

demo: $(STAMP) ## Show the main job on a local AWS account, and check what it did
	@echo "Building. The first time this takes some minutes: the AWS SDK is large."
	@cargo build --quiet $(WORKSPACE)
	@$(VENV)/bin/python demo/demo.py

test: $(STAMP) ## Run all tests: core, contract, scenarios, properties, end to end
	cargo build $(WORKSPACE)
	cargo test $(WORKSPACE)
	$(MAKE) crash
	$(VENV)/bin/python -m pytest -q tests/standin
	$(VENV)/bin/python -m pytest -q tests/e2e
	$(MAKE) reliability-functions

# Optimised, and without the AWS SDK: see the profile in Cargo.toml.
crash: | prerequisites ## Stop a run after every single call, for 2,000 random fleets and policies
	STEWARD_CASES=$${STEWARD_CASES:-2000} cargo test -p steward-tests --no-default-features $(LOCKED) \
	  --profile fast --test properties crash -- --nocapture

soak: ## The same for 20,000
	STEWARD_CASES=20000 $(MAKE) crash

reliability: $(STAMP) ## Inject each fault on each call on the wire; a quarter of an hour
	cargo build $(WORKSPACE)
	$(VENV)/bin/python tests/reliability/run.py --write docs/reliability.md

reliability-functions: $(STAMP) ## The most important of these faults, on the functions
	cargo build $(WORKSPACE)
	$(VENV)/bin/python tests/reliability/run.py --functions

pace: $(STAMP) ## Measure 6,000 images against EC2's token buckets, ten times as fast; five minutes
	cargo test $(WORKSPACE) --test pace -- --ignored --nocapture --test-threads=1

# cargo-fuzz asks for a nightly compiler; the stable one knows the same flags if it is let.
fuzz: | prerequisites ## Fuzz policies, events and saved inventories, FUZZ_SECONDS each
	@command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
	@cd fuzz && for target in policy:../examples event:seeds/event inventory:seeds/inventory; do \
	  corpus=corpus/$${target%%:*} && mkdir -p $$corpus && RUSTC_BOOTSTRAP=1 \
	  cargo fuzz run -O $${target%%:*} $$corpus $${target#*:} -- \
	    -max_total_time=$${FUZZ_SECONDS:-600} -max_len=16384 -print_final_stats=1 || exit 1; \
	done

check: $(STAMP) ## Check format, lints, the core without the AWS SDK, and the documentation
	cargo fmt --all --check
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	cargo test -p steward --no-default-features $(LOCKED)
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps $(WORKSPACE)
	$(VENV)/bin/ruff check $(PYTHON_CODE)
	$(VENV)/bin/ruff format --check $(PYTHON_CODE)

bench-core: | prerequisites ## Measure the planning of large fleets
	cargo bench -p steward --no-default-features --bench plan $(LOCKED)
