# What a newcomer needs. `make` alone prints this list; a second run of any target does only what changed.
# Needs git, make, python3 (3.11 or newer) with venv, and the machine's package registries. `make run` needs no root.

PYTHON ?= python3
PORT ?= 8080
DATA_DIR ?= ./var

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := install --quiet --require-hashes
DASHBOARD := gateway/dashboard
NODE_SLAVE := tests/collectors/modbus/node_slave
# Workers take any test of any file, so each starts the real servers it needs: groups (the xdist_group mark) are not kept.
PYTEST_WORKERS ?= 2

.PHONY: help run test check bench sim life lock clean
.DEFAULT_GOAL := help

help: ## this list
	@echo "Tanmai: from a plant's meters to carbon accounts that can be trusted"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile
	@echo
	@echo "  make run PORT=9000 DATA_DIR=/tmp/demo	the same elsewhere"

run: .stamps/gateway .stamps/package .stamps/dashboard ## set up and start the demo park on http://127.0.0.1:8080
	@exec $(BIN)/tanmai demo --port $(PORT) --data-dir $(DATA_DIR)

test: .stamps/dev .stamps/package .stamps/dashboard .stamps/node_slave ## set up and run every test, with real servers
	@sh scripts/debian_packages.sh
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup

check: .stamps/dev .stamps/package ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .stamps/gateway .stamps/package ## measure each part beside its limit; ONLY=rollup for one row, ARGS=--help for sizes
	@$(BIN)/python -m bench.run $(if $(ONLY),--only $(ONLY)) $(ARGS)

sim: .stamps/dev .stamps/package ## the story of one simulated world: make sim SEED=17; what held, or what broke
	@$(BIN)/python -m tests.simulation $(or $(SEED),0)

life: .stamps/dev .stamps/package ## months of simulated plants, from readings to closed months: make life SEED=17
	@$(BIN)/python -m tests.plant_life $(or $(SEED),0)

lock: .venv/pyvenv.cfg ## choose newest versions and write requirements/ and the dashboard's lock anew
	@sh scripts/lock.sh

clean: ## remove what the targets above made, except data directories
	rm -rf .venv .stamps $(DASHBOARD)/node_modules $(DASHBOARD)/static/vendor $(NODE_SLAVE)/node_modules
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis test-artifacts

.venv/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Tanmai needs Python 3.11 or newer; give one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv \
	  || { rm -rf .venv; echo "no virtual environment: install the package python3-venv and try again" >&2; exit 1; }

.stamps/build: .venv/pyvenv.cfg requirements/build.txt
	@$(PIP) $(LOCKED) -r requirements/build.txt
	@mkdir -p .stamps && touch $@

.stamps/gateway: .venv/pyvenv.cfg requirements/gateway.txt requirements/edge.txt
	@echo "installing what the gateway and the agents need (hash-locked) ..."
	@$(PIP) $(LOCKED) -r requirements/gateway.txt -r requirements/edge.txt
	@mkdir -p .stamps && touch $@

.stamps/dev: .venv/pyvenv.cfg requirements/dev.txt
	@echo "installing what the tests need (hash-locked) ..."
	@$(PIP) $(LOCKED) -r requirements/dev.txt
	@mkdir -p .stamps && touch $@

.stamps/package: .stamps/build pyproject.toml
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@mkdir -p .stamps && touch $@

.stamps/dashboard: .venv/pyvenv.cfg $(addprefix $(DASHBOARD)/,package.json package-lock.json vendor.mjs) requirements/node.txt
	@echo "fetching the dashboard's chart library and type (hash-locked) ..."
	@sh scripts/npm_packages.sh $(DASHBOARD)
	@mkdir -p .stamps && touch $@

.stamps/node_slave: .venv/pyvenv.cfg $(addprefix $(NODE_SLAVE)/,package.json package-lock.json) requirements/node.txt
	@echo "fetching a Modbus slave that is not ours, for the tests (hash-locked) ..."
	@sh scripts/npm_packages.sh $(NODE_SLAVE)
	@mkdir -p .stamps && touch $@
