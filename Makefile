# Everything a developer types; README.md says what each target does.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv --quiet --system-certs pip

.DEFAULT_GOAL := help
.PHONY: help clean setup lock wheels audit lint format render evaluate test test-needs soak bench machine

help: ## shows this
	@awk -F ':.*## ' '/^[a-z][a-z -]*:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

clean: ## removes all that the other targets made: as on the first day
	rm -rf $(VENV) .embedded .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

setup: $(VENV)/.installed ## makes the virtual environment .venv from the lock; PYTHON=python3.12 takes another one

# uv itself comes out of the lock first, then installs the rest of it: all that needs no compiler.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "$(PYTHON) is not Python 3.11 to 3.14, which this needs: make setup PYTHON=python3.12 names another one" >&2; \
	  exit 1; \
	}
	@echo "Setting up $(VENV), in about half a minute"
	@$(PYTHON) -m venv --clear $(VENV)
	@awk '/^[^ ]/ { uv = /^uv==/ } uv' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@awk '/^[^ ]/ { wheel = !/^mysqlclient==/ } wheel' requirements.lock > $(VENV)/wheels.lock
	@$(UV) sync --python $(BIN)/python --require-hashes $(VENV)/wheels.lock
	@$(UV) install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib || true
	@touch $@

lock: ## the newest versions that pyproject.toml allows, by hash
	$(UV) compile --universal --python-version 3.11 --upgrade --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header \
	  --all-extras --group embedded --group dev --group browser pyproject.toml -o requirements.lock
	@$(MAKE) --no-print-directory wheels

# The lock's files for NixOS and AWS Lambda, by hash.
wheels: setup ## the lock for NixOS and AWS Lambda
	$(BIN)/python modules/packages/wheels.py

# Asks OSV, a service, for the known vulnerabilities of all that is pinned.
audit: setup ## asks for the known vulnerabilities of all that is pinned
	@$(BIN)/python -m tests.audit

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup ## formats the Python files
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs nix-instantiate, and NIXPKGS_LIB: a copy of nixpkgs' lib.
render: setup ## units, airflow.cfg and OPTIONS.md anew from the NixOS modules
	$(BIN)/python -m tests.module.render

# Evaluates the whole flake, and compares what is kept with real systems. Needs Nix 2.18 or newer, NIXPKGS: a
# tree of nixpkgs, and AGENIX: one of agenix.
evaluate: setup ## evaluates the flake with a whole nixpkgs
	$(BIN)/pytest tests/module/test_nixpkgs.py

# Programs that the tests use, and Debian's packages of them.
TEST_PROGRAMS := age=age chromium=chromium nix-instantiate=nix-bin promtool=prometheus ssh-keygen=openssh-client

# Debian starts a server that it installs, a database or Prometheus, unless it believes to be in single-user mode.
test-needs: setup
	@missing=; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing=" postgresql"; \
	for need in $(TEST_PROGRAMS); do \
	  command -v "$${need%=*}" >/dev/null || missing="$$missing $${need#*=}"; \
	done; \
	if [ -n "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing$$missing, for the tests"; \
	  apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	@$(BIN)/python -m tests.machine.prepare

test: test-needs ## every test that can run here
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# Days are run while parts of a machine fail; SOAK_SEED=n takes other values, SOAK_FAULTS=NAME some of the faults.
# What is timed is done by itself; the others take half an hour.
soak: test-needs ## days on machines while their parts fail
	$(BIN)/pytest tests/soak/catch_up.py --capture=no
	$(BIN)/pytest tests/soak/network.py tests/soak/soak.py tests/soak/load.py --numprocesses 3 --dist worksteal --capture=no

# BENCH=classify measures one row, and BENCH_DATA=DIR with real files that are named YYYY-MM-DD*.
bench: test-needs ## ours against the limits, in a table
	@$(BIN)/python -m tests.bench --only '$(BENCH)' $(if $(BENCH_DATA),--data '$(BENCH_DATA)')

# MACHINE is a test of tests/nixos that has the pipeline on one machine.
MACHINE ?= dag_order

machine: setup ## boots the units on a Debian machine, by hand
	@$(BIN)/python -m tests.machine '$(MACHINE)'

.PHONY: run dev

DAYS ?= 5

run: ## real Airflow over sample days, and what came of it; DAYS=20 takes more days
dev: ## the same, and stays up with the page
# Without a shell between them, make has nothing to say of a Ctrl-C.
run dev: setup
	@exec env PYTHONPATH='$(CURDIR)/workflows' $(BIN)/python -m embedded $@ --days '$(DAYS)'
