# Everything a developer types; README.md says what each target does.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv --quiet --system-certs pip

.PHONY: setup lock lint format render test test-needs machine

setup: $(VENV)/.installed

# uv itself comes out of the lock first, then installs the rest of it.
$(VENV)/.installed: requirements.lock pyproject.toml
	@echo "Setting up $(VENV), in about half a minute"
	@$(PYTHON) -m venv $(VENV)
	@awk '/^[^ ]/ { uv = /^uv==/ } uv' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.lock
	@$(UV) sync --python $(BIN)/python --require-hashes requirements.lock
	@$(UV) install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib || true
	@touch $@

lock:
	$(UV) compile --universal --python-version 3.11 --upgrade --generate-hashes \
	  --no-emit-index-url --no-annotate --no-header \
	  --extra airflow --extra postgresql --group embedded --group dev pyproject.toml -o requirements.lock

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs nix-instantiate, and NIXPKGS_LIB: a copy of nixpkgs' lib.
render: setup
	$(BIN)/python -m tests.module.render

# Debian starts a database server that it installs, unless it believes to be in single-user mode.
test-needs: setup
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then \
	  echo "installing PostgreSQL's server, for the tests"; \
	  apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
	fi
	@$(BIN)/python -m tests.machine.prepare

test: test-needs
	$(BIN)/pytest

# MACHINE is a test of tests/nixos that has the pipeline on one machine.
MACHINE ?= dag_order

machine: setup
	@$(BIN)/python -m tests.machine '$(MACHINE)'

.PHONY: run dev

DAYS ?= 5

run dev: setup
	@PYTHONPATH=$(CURDIR)/workflows $(BIN)/python -m embedded $@ --days '$(DAYS)'
