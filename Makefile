# The few commands people type. Each builds what it needs, shows its progress and leaves nothing running.
.DEFAULT_GOAL := help
.PHONY: help demo dev test unit behaviour test-terraform test-cloud e2e e2e-upgrade tools control-plane object-stores charts real-node fuzz soak bench build lint lint-workflows check generate hooks

# Kubernetes of the test control plane: 1.37 (newest supported) or 1.34 (oldest).
K8S_VERSION ?= 1.37
export K8S_VERSION
CARGO_DENY := 0.20.2
# Of the soak test: how long, and which actions.
MINUTES ?= 60
SEED ?= 1
# Behaviour tests mostly wait, so more of them than cores run at a time.
TEST_THREADS ?= 6

help: ## List these commands
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1|\2/' | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'
	@echo
	@echo "  K8S_VERSION=1.34   tests or shows on the oldest supported Kubernetes instead of the newest"
	@echo "  ONLY=word          runs the end-to-end scenarios alone that have the word in their names"
	@echo "  KEEP=1             lets the demo stay up until Ctrl-C"

# Only what the demo starts: External Secrets alone takes a quarter of the time that the control plane takes.
demo: ## Show the main job on a real control plane of its own (pods are simulated)
	@WITHOUT=external-secrets tests/control-plane/build.sh
	@echo "building the operator (some minutes the first time)"
	@cargo build --workspace --locked --bin ras-operator --bin demo --bin control-plane --bin process-guard
	@./target/debug/demo $(if $(KEEP),--keep)

dev: ## Run the operator against a control plane that stays up; a changed source builds and restarts it
	@WITHOUT=external-secrets tests/control-plane/build.sh
	@echo "building the operator (some minutes the first time)"
	@cargo build --workspace --locked --bin ras-operator --bin dev --bin control-plane --bin process-guard
	@./target/debug/dev

test: check tools unit behaviour demo test-terraform ## Everything CI runs, but for `make e2e`
	@echo "all passed on Kubernetes $(K8S_VERSION), except what says \"not run\" above"

# Always the whole workspace: with other packages Cargo chooses other features and builds the dependencies once more.
unit: ## Unit, property and golden tests; no control plane needed
	@echo "== unit, property and golden tests"
	cargo test --workspace --lib --bins --test pure --locked --quiet
	cargo test --workspace --doc --locked --quiet

# One test needs no S3 servers and no Helm, unless it says so.
behaviour: $(if $(TEST),control-plane,tools) ## Build the operator and run the behaviour tests; TEST=word runs only those that have the word in their names
	@echo "== behaviour tests on Kubernetes $(K8S_VERSION)"
	cargo build --workspace --locked --quiet
	cargo test --workspace --test behaviour --locked -- --test-threads=$(TEST_THREADS) $(TEST)

test-terraform: ## The Terraform modules: format, lint, security rules, tests with a mocked AWS (needs terraform or tofu)
	@echo "== Terraform modules"
	@terraform/test.sh t0
	@terraform/test.sh t1

test-cloud: tools build ## The Terraform modules and docs/terraform.md against a simulated AWS, with the real provider
	@REQUIRE=1 terraform/test.sh t2
	@REQUIRE=1 terraform/test.sh walk

e2e: control-plane charts ## The operator where pods really run: a real node on this machine (needs root), or the cluster that KUBECONFIG names
	@echo "== end to end on Kubernetes $(K8S_VERSION)"
	@# Where nothing will run there is nothing to build: the program below says why.
	@if [ "$$(id -u)" = 0 ] || [ -n "$$KUBECONFIG" ]; then tests/real-node/build.sh && STORES=versitygw tests/object-stores/build.sh; fi
	cargo build --workspace --locked --quiet
	@cargo test --workspace --test e2e --locked --quiet -- $(ONLY)

e2e-upgrade: control-plane charts ## The operator of FROM=commit, installed by its own charts on a real node, is upgraded to this one
	@if [ -z "$(FROM)" ]; then echo "say from which commit: make e2e-upgrade FROM=HEAD~1"; exit 2; fi
	@tests/real-node/build.sh && STORES=versitygw tests/object-stores/build.sh
	@tests/upgrade/earlier.sh "$(FROM)" "$${CARGO_TARGET_DIR:-target}/earlier"
	cargo build --workspace --locked --quiet
	@E2E_FROM="$$(cd "$${CARGO_TARGET_DIR:-target}/earlier" && pwd)" cargo test --workspace --test e2e --locked --quiet -- an_upgrade_of_the_operator

tools: control-plane object-stores charts ## Build the test control plane and the S3 servers (twenty minutes the first time, then at once)

# One after the other: each uses all cores, and two at a time would only be harder to read.
control-plane:
	@tests/control-plane/build.sh

charts: ## Build Helm, with which the charts are tested
	@tests/charts/build.sh

object-stores: | control-plane
	@tests/object-stores/build.sh

real-node: | control-plane ## Build what turns this machine into a node (ten minutes the first time, then at once)
	@tests/real-node/build.sh

soak: control-plane object-stores ## An hour of edits, kills and faults, after which nothing is lost and nothing has grown (MINUTES=5 for a look)
	@echo "building for release (some minutes the first time)"
	@cargo build --release --workspace --locked --quiet --bin ras-operator --bin soak --bin control-plane --bin process-guard
	@./target/release/soak --minutes $(MINUTES) --seed $(SEED)

fuzz: ## Change drives, settings, answers and outputs at random, MINUTES long; what fails prints its seed and is kept in proptest-regressions
	@cargo test --workspace --locked --quiet --no-run
	@end=$$(($$(date +%s) + 60 * $(MINUTES))); \
	while [ $$(date +%s) -lt $$end ]; do \
	    PROPTEST_CASES=4000 cargo test --workspace --locked --quiet --test pure -- fuzz:: properties:: || exit 1; \
	    PROPTEST_CASES=4000 cargo test --workspace --locked --quiet --lib -- redaction plain_text render:: report:: statement x509 || exit 1; \
	    PROPTEST_CASES=200 cargo test --workspace --locked --quiet --lib -- tests::fuzz || exit 1; \
	done

# Sizes and more: make bench BENCH="--drives 100,1000 --secrets 0"; ./target/release/bench --help tells all.
bench: control-plane ## Measure the operator at 10, 100 and 1,000 drives on a control plane of its own (docs/performance.md)
	@echo "building for release (some minutes the first time)"
	@cargo build --release --workspace --locked --quiet --bin ras-operator --bin bench --bin control-plane --bin process-guard
	@./target/release/bench --json target/bench.json $(BENCH)

build: ## Build the operator and the test programs
	@echo "building the operator (some minutes the first time)"
	@cargo build --workspace --locked

check: lint lint-workflows ## Formatting, lints, workflows, generated files, documentation, licences; no control plane needed
	@echo "== generated files are fresh"
	cargo run --quiet --locked --bin generate -- --check
	@echo "== documentation builds without a warning"
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

lint: ## Formatting, clippy, one TLS provider, architecture, licences and duplicates
	@echo "== format"
	cargo fmt --all --check
	@echo "== clippy"
	cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
	@# Cargo counts it among the tests only when it is named.
	cargo clippy --workspace --test e2e --locked --quiet -- -D warnings
	@echo "== one TLS provider"
	@if [ -n "$$(cargo tree --locked --workspace --edges normal,build,dev --invert ring 2>/dev/null)" ]; then echo "ring is in the tree, and two TLS providers panic in kube's client: see cargo tree -i ring"; exit 1; fi
	@echo "== architecture: the core is pure, and imports go one way"
	@tests/architecture/check.sh
	@echo "== licences, duplicates, sources, advisories"
	@command -v cargo-deny >/dev/null || { echo "installing cargo-deny $(CARGO_DENY) (some minutes, once)"; cargo install --quiet --locked cargo-deny --version $(CARGO_DENY); }
	cargo deny --locked --log-level warn check licenses bans sources
	@if cargo deny --locked fetch db >/dev/null 2>&1; then cargo deny --locked check advisories; else echo "advisories: not run, their database cannot be reached from here"; fi

lint-workflows: ## The workflows in .github: actionlint and zizmor, installed once at pinned versions
	@echo "== workflows"
	@.github/lint/run.sh

hooks: ## Have git check format, lints and generated files before each commit (.githooks/pre-commit)
	git config core.hooksPath .githooks

generate: ## Write the CustomResourceDefinition and docs/api.md anew from the types
	cargo run --quiet --bin generate
	UPDATE_GOLDEN=1 cargo test --quiet --workspace --test pure golden
