# What a person types. `make up` brings the simplest site up; `make up STAGE=1` the next one.

STAGE ?= 0
FILE  := $(firstword $(wildcard stacks/$(STAGE)-*.kdl))
# Compiling with the lab's own load around would lie to the tests: one build at a time.
CARGO ?= cargo

.PHONY: up build test test-mysql lint acceptance bench paired setup-run setup-test setup-bench help

help:
	@sed -n 's/^\([a-z-]*\): .*## \(.*\)/  make \1\t\2/p' Makefile

up: setup-run build ## bring a site up here (STAGE=0 or 1)
	@./terrace up $(FILE)

build: setup-run ## build the binary, quickly
	@scripts/build quick

setup-run:
	@scripts/setup run

setup-test:
	@scripts/setup test

setup-bench:
	@scripts/setup bench

lint: setup-test ## formatting, clippy, licences, layout
	$(CARGO) fmt --all --check
	$(CARGO) xtask tidy
	$(CARGO) clippy --workspace --all-targets --locked -- --deny warnings
	scripts/deny

test: lint ## everything, once
	$(CARGO) test --workspace --locked --no-fail-fast

test-mysql: setup-test ## the tests of databases once more, with MySQL instead of MariaDB
	scripts/mysql
	TERRACE_ENGINE=mysql $(CARGO) test -p terrace-database --locked --no-fail-fast --test mariadb
	TERRACE_ENGINE=mysql $(CARGO) test -p terrace --locked --no-fail-fast --test stories primary::

# PART: faults, changes, suites, proof, reader or trials; without one, all. What is measured already is not measured again.
acceptance: setup-bench ## the tests' rounds in full counts; writes docs/acceptance.md, docs/proof.md and the figures of README.md (PART=proof: that part)
	scripts/mysql
	scripts/peers haproxy nginx
	$(CARGO) xtask acceptance $(PART)

bench: setup-bench ## side by side with the peers; writes docs/benchmarks.md
	scripts/peers haproxy nginx
	scripts/build release
	scripts/bench

# BEFORE: the other binary, such as target/release/terrace of the commit before a change.
paired: setup-bench ## this tree's binary beside another of ours (BEFORE=BINARY), printed
	scripts/peers nginx
	scripts/build release
	$(CARGO) xtask bench paired $(BEFORE)
