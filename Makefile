# What README names. Each target installs the system packages it lacks (as root; otherwise it says what and why).
CARGO ?= cargo
HALFOPEN := $(CURDIR)/target/release/halfopen
export HALFOPEN_BIN := $(HALFOPEN)

.PHONY: build run test bench lint

build:
	tools/packages build
	$(CARGO) build --release --locked

# Limits this host, in the foreground; Ctrl-C lets everything go.
run: build
	@if [ "$$(id -u)" != 0 ]; then \
		echo "halfopen loads programs into the kernel and attaches them to all of this host's processes:" >&2; \
		echo "that needs root. Run: sudo $(HALFOPEN) run" >&2; exit 3; fi
	$(HALFOPEN) run

# The tests of the lab and of the limiter on the real kernel take the machine's time: one after the other, the rest before.
test: build
	tools/packages test
	$(CARGO) test --locked --workspace --exclude halfopen-lab
	$(CARGO) build --release --locked -p halfopen-lab --bins
	$(CARGO) test --release --locked -p halfopen-lab -- --test-threads=4

bench: build
	tools/packages test
	$(CARGO) bench --locked -p halfopen-policy
	$(CARGO) build --release --locked -p halfopen-lab --bins
	$(CARGO) bench --locked -p halfopen-lab

lint:
	tools/packages build
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	tools/packages lint
	clang-format --dry-run -Werror crates/kernel/bpf/*.[ch]
	command -v cargo-deny >/dev/null || $(CARGO) install --locked cargo-deny
	$(CARGO) deny check
