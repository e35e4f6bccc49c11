# What README names. Each target installs the system packages it lacks (as root; otherwise it says what and why).
CARGO ?= cargo
HALFOPEN := $(CURDIR)/target/release/halfopen
BENCH := target/release/halfopen-bench
# Not members of the workspace.
LIBP2P_NODE := crates/bench/libp2p-node/Cargo.toml
FUZZ := crates/fuzz/Cargo.toml

.PHONY: build install uninstall run tour test test-long test-kernels test-mutants test-sanitized test-faults fuzz reference screenshots bench bench-peers bench-connections bench-programs bench-sasser bench-validation lint deb \
	test-package

build:
	tools/packages build
	$(CARGO) build --release --locked
	target/release/xtask package-files target/package

# What `make build` has built; PREFIX and DESTDIR say where to. Neither starts nor enables anything. Builds nothing, so that
# root needs no Rust.
PREFIX ?= /usr/local
install uninstall:
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' tools/install $@

# Limits this host, in the foreground; Ctrl-C lets everything go.
run: build
	@if [ "$$(id -u)" != 0 ]; then \
		echo "halfopen loads programs into the kernel and attaches them to all of this host's processes:" >&2; \
		echo "that needs root. Run: sudo $(HALFOPEN) run" >&2; exit 3; fi
	$(HALFOPEN) run

# A scan, limited, in a network of its own without a route out. This host is not limited.
tour: build
	tools/packages test
	@if [ "$$(id -u)" != 0 ]; then \
		echo "The tour makes network namespaces and loads programs into the kernel: that needs root." >&2; \
		echo "Run: sudo $(CURDIR)/target/release/xtask tour" >&2; exit 3; fi
	target/release/xtask tour

# Tests that cannot run here are listed with their reasons; with REQUIRE_PRIVILEGED=1 they fail. Two lanes: all that
# decides and one of each kind on the running kernel, and the rest. One of them by name: target/debug/xtask test all NAME
test test-long test-mutants: XTASK := $(CARGO) run --quiet --locked -p xtask --
test:
	tools/packages build
	tools/packages test
	$(XTASK) test quick

# Some of these want a browser.
test-long:
	tools/packages build
	tools/packages test
	tools/packages containers
	tools/packages peers
	tools/packages browser
	$(XTASK) test long
	$(XTASK) mutate headers --sample 20
	tools/packages fuzz
	tools/fuzz 5

# On other kernels, in a virtual machine: docs/measurements/kernels.md. Each as tools/kernel-test/kernel takes it.
KERNELS ?= 6.1 6.12 newest
test-kernels:
	tools/packages build
	tools/packages test
	tools/kernel-test/lane --page docs/measurements/kernels.md $(KERNELS)

# Each reader of bytes from outside for so long. What it finds is in target/fuzz.
FUZZ_SECONDS ?= 300
fuzz:
	tools/packages build
	tools/packages fuzz
	tools/fuzz $(FUZZ_SECONDS)

# Tests of the tests, for hours: every small change of the headers that decide, and a part of those of the Rust that
# decides (MUTANTS = which of how many parts). A test must fail for each; see docs/measurements/mutation.md.
MUTANTS ?= 1/40
CARGO_MUTANTS := target/tools/bin/cargo-mutants
test-mutants:
	tools/packages build
	tools/packages test
	$(XTASK) mutate headers --all
	[ -x $(CARGO_MUTANTS) ] || $(CARGO) install --locked --root target/tools cargo-mutants
	$(CARGO_MUTANTS) mutants --shard $(MUTANTS) --output target/mutants-of-policy -p halfopen-policy -- $(POLICY_TESTS)
	$(CARGO_MUTANTS) mutants --shard $(MUTANTS) --output target/mutants -p halfopen -p halfopen-bpf

POLICY_TESTS := $(patsubst crates/halfopen-policy/tests/%.rs,--test %,$(wildcard crates/halfopen-policy/tests/*.rs)) --test answers

# The headers that decide, under the address and undefined-behaviour sanitizers. The address sanitizer must be loaded first.
SANITIZER = $(shell realpath $$(gcc -print-file-name=libasan.so))
test-sanitized:
	tools/packages build
	HALFOPEN_SANITIZE=1 CARGO_TARGET_DIR=target/sanitized ASAN_OPTIONS=detect_leaks=0 \
	$(CARGO) --config 'target."cfg(all())".runner = ["env", "LD_PRELOAD=$(SANITIZER)"]' test --locked -p halfopen-policy --lib $(POLICY_TESTS)

# Every fault as often and as long as it takes, one after the other, and the table of docs/measurements/faults.md.
FAULTS_TABLE := $(CURDIR)/target/faults.rows
test-faults:
	tools/packages build
	tools/packages test
	$(CARGO) build --locked -p testkit --bins
	@mkdir -p target; rm -f $(FAULTS_TABLE); skips=$$(mktemp); \
	FAULTS=long FAULTS_TABLE=$(FAULTS_TABLE) LAB_SKIPS=$$skips \
	$(CARGO) test --locked -p halfopen --test faults -- --test-threads=1; status=$$?; \
	{ echo "| fault | how often, how long | SYNs | most half-open at once | escaped | live dials served | longest wait of them | what shows it |"; \
	echo "| --- | --- | --- | --- | --- | --- | --- | --- |"; sort $(FAULTS_TABLE); } | tee target/faults.md; \
	sort -u $$skips; echo "tests skipped: $$(sort -u $$skips | wc -l)"; rm -f $$skips; exit $$status

bench: build
	tools/packages test
	$(CARGO) bench --locked -p halfopen-policy
	$(BENCH) kernel
	$(BENCH) workloads

# What else limits connections on Linux, in the same workloads: half an hour. Writes docs/measurements/comparison.md.
bench-peers: build
	tools/packages test
	tools/packages peers
	$(BENCH) peers --document docs/measurements

# What else limits the connections of a tenant: ten minutes. Writes docs/measurements/connections.md.
bench-connections: build
	tools/packages test
	tools/packages connections
	$(BENCH) connections --document docs/measurements

# Real programs with and without the limiter: docs/measurements/real-programs.md, from the command's own output.
bench-programs: build
	tools/packages test
	tools/packages programs
	$(BENCH) programs --page docs/measurements/real-programs.md

# How much slower Sasser gets: docs/measurements/sasser.md and its pictures.
bench-sasser:
	$(CARGO) run --release --locked -p halfopen-sim --example sasser_page

# The page that holds the simulator against models: minutes.
bench-validation:
	$(CARGO) run --release --locked -p halfopen-sim --example validation_page

# The pages of docs/reference, from the program's own definitions. A test fails while one is out of date.
reference:
	tools/packages build
	$(CARGO) run --quiet --locked -p xtask -- reference

# The pictures of the dashboard in docs/images, from the test that has a browser.
screenshots:
	tools/packages build
	tools/packages test
	tools/packages browser
	$(CARGO) build --locked -p halfopen -p testkit --bins
	HALFOPEN_SCREENSHOTS=$(CURDIR)/docs/images $(CARGO) test --locked -p halfopen --test dashboard_browser pictures

lint:
	tools/packages build
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path $(LIBP2P_NODE) --check
	$(CARGO) fmt --manifest-path $(FUZZ) --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --manifest-path $(LIBP2P_NODE) --target-dir target/libp2p-node -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --locked --no-deps --workspace --document-private-items
	tools/packages lint
	clang-format --dry-run -Werror crates/halfopen-bpf/bpf/*.[ch]
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check
	$(CARGO) deny --manifest-path $(LIBP2P_NODE) check
	$(CARGO) deny --manifest-path $(FUZZ) check

# The Debian package; its path is the last line.
deb:
	@tools/packages build
	@tools/packages deb
	@tools/deb

# Installs, starts, upgrades and removes it under a real systemd, in a virtual machine.
test-package:
	@tools/packages build
	@tools/packages deb
	@tools/packages package
	@tools/package-test/run
