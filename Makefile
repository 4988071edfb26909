# What a checkout can do. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The first that runs and is new enough: a name may be a shim with nothing behind it.
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(or $(shell for name in python3.11 python3; do \
    $$name $(NEW_ENOUGH) 2>/dev/null && echo $$name && break; done),python3)
LANES ?= 2
# What a file's tests set up they share, so that one worker runs them. The tree's last files are short ones.
BY_FILE := --dist loadfile --no-loadscope-reorder

VENV := .venv
BIN := $(VENV)/bin
# On a terminal pip tells how far it is. In a log errors only: what pip warns of is the machine's configuration.
QUIET := $(shell test -t 2 || echo -qq)
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(QUIET) --no-input
PINS := ci/requirements
# The stamps carry a hash of what they stand for, so that a change of the pins redoes the set-up
# whatever the files' times say. They are written last: a set-up that was interrupted has none.
hash = $(firstword $(shell cat $(1) | sha256sum))
STACK := $(VENV)/.stack-$(call hash,$(PINS)/torch.txt $(PINS)/upstream.txt $(PINS)/refault.txt $(PINS)/dev.txt)
READY := $(VENV)/.ready-$(call hash,pyproject.toml)

.PHONY: help setup test reproduce reproduce-servers lint format bench portable soak wheel clean
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## make .venv with the pinned dependencies, if it is not there

test: setup ## run the tests of the harness and the reproducers
	$(BIN)/python -m pytest -n $(LANES) $(BY_FILE) $(ARGS)

reproduce: setup ## run every reproducer, print the verdicts, write build/refault.json
	@mkdir -p build
	$(BIN)/refault run --tier codegen --tier kernel --json build/refault.json -n $(LANES) $(ARGS)

reproduce-servers: setup ## the same on real servers, which takes minutes; writes build/servers.json
	@mkdir -p build
	$(BIN)/refault run --tier server --json build/servers.json -n $(LANES) $(ARGS)

lint: setup ## check style, types, the direction of imports and the workflows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

format: setup ## rewrite the code as lint wants it
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: setup ## compare shared and fresh interpreters, measure the oracle, growth and start-up of servers (minutes)
	$(BIN)/python ci/bench/arms.py $(ARGS)
	$(BIN)/python ci/bench/oracle.py
	$(BIN)/python ci/bench/launches.py
	$(BIN)/python ci/bench/growth.py
	$(BIN)/python ci/bench/servers.py

portable: setup ## run the same cases under other BLAS kernels, threads, locales, homes, users: all must agree
	$(BIN)/python -m ci.portable $(ARGS)

soak: setup ## kill runs, harm servers, overwrite served pages, spoil files, and look for what is left (hours)
	$(BIN)/python ci/soak/kills.py --rounds 100 $(ARGS)
	$(BIN)/python ci/soak/readers.py --seconds 600
	$(BIN)/python ci/soak/sensitivity.py --trials 100
	$(BIN)/python ci/soak/servers.py --runs 20

wheel: setup ## build dist/refault-*.whl
	$(BIN)/python -m hatchling build --target wheel

clean: ## remove .venv and everything that was built
	rm -rf $(VENV) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find harness reproducers ci conftest.py -name __pycache__ -prune -exec rm -rf {} +

$(STACK):
	@$(PYTHON) $(NEW_ENOUGH) || { echo 'set-up: $(PYTHON) is no Python 3.11: name one with make PYTHON=...' >&2; exit 1; }
	@rm -rf $(VENV)
	@echo 'set-up, 1 of 2: torch, 0.8 GB on disk (more with CUDA packages)'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r $(PINS)/torch.txt
	@echo 'set-up, 2 of 2: upstream and tools, 1.7 GB on disk'
	@$(PIP) --no-deps -r $(PINS)/upstream.txt -r $(PINS)/refault.txt -r $(PINS)/dev.txt
	@touch $@

$(READY): $(STACK)
	@rm -f $(VENV)/.ready-*
	@$(PIP) --no-deps --no-build-isolation --editable .
	@# Python would write it, but not where PYTHONDONTWRITEBYTECODE is set, as in most containers.
	@$(BIN)/python -m compileall -q harness reproducers ci
	@touch $@
	@echo 'set-up: $(VENV) is ready'
