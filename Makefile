# The verbs of this project, the same on a laptop and in CI. `make` alone lists them.
#
# A step that is done leaves a stamp in .setup/ and is not done again until what it depends on changes.
# What a machine lacks (a browser, Node.js) is left out, and said so loudly at the end.

ifneq ($(wildcard /bin/bash),)
SHELL := /bin/bash
endif
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# One environment and one package database are shared by all steps: they never run side by side.
.NOTPARALLEL:

VENV := .venv
BIN := $(VENV)/bin
STAMPS := .setup
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --prefer-binary
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-header $(if $(UPGRADE),--upgrade)
# Three at a time on two cores: tests wait for servers and browsers more than they work. A file's tests stay together.
PARALLEL := --numprocesses 3 --dist loadfile
# The same order and the same numbers each time: a change is judged by what it changes. `make soak` shuffles.
ORDERED := --randomly-seed 1 --randomly-dont-reorganize
# The first interpreter that is new enough; `make PYTHON=/path/to/python3` chooses another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$python; break; fi; done)

.PHONY: help setup serve fmt check test docs bench lock build soak clean browser dashboard models redis postgres migration

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMPS)/package $(STAMPS)/dev browser redis postgres dashboard models ## prepare everything that the other verbs need
	@$(BIN)/python -m scripts.missing

serve: $(STAMPS)/package dashboard models ## start Narthex (ARGS="--port 9000" passes flags on)
	@$(BIN)/python -m scripts.missing
	@$(BIN)/narthex serve $(ARGS)

fmt: $(STAMPS)/dev ## write the code in its one form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix --quiet .

check: $(STAMPS)/package $(STAMPS)/dev ## form, lint, types, layers, budgets: no tests
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/python -m scripts.budgets
	$(BIN)/lint-imports --no-cache
	@# The two that judge types take longest, and each works on one core: they run side by side.
	$(BIN)/mypy & mypy=$$!; result=0; $(BIN)/python -m scripts.node tools/pyright check || result=1; \
		wait $$mypy || result=1; exit $$result
	$(BIN)/python -m scripts.node ui check

test: setup ## run every test (ARGS="tests/wire -x" runs some)
	@$(BIN)/python -m scripts.node ui test
	@result=0; $(BIN)/python -m pytest $(ORDERED) $(or $(ARGS),$(PARALLEL)) || result=$$?; $(BIN)/python -m scripts.missing; exit $$result

soak: setup ## run the long tests that `make test` leaves out, and look for new examples
	@$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)
	@$(BIN)/python -m pytest -m hypothesis --hypothesis-profile soak --timeout 7200 $(PARALLEL) $(ARGS)

docs: $(STAMPS)/package $(STAMPS)/dev ## build the documentation into site/
	@$(BIN)/python -m scripts.reference
	@rm -rf site .cache # not by --clean: it sometimes removes while it already writes, and fails
	@$(BIN)/zensical build --strict

bench: $(STAMPS)/package $(STAMPS)/dev $(STAMPS)/bench ## measure Narthex beside its peers and print the table
	@$(BIN)/python -m scripts.debian compiler nginx
	@$(BIN)/python -m bench $(ARGS)

build: $(STAMPS)/package $(STAMPS)/dev dashboard ## make the wheel and the source archive in dist/, dashboard inside
	@test -f src/narthex/dashboard/dist/index.html || { echo "make build: the dashboard is not built: install Node.js 20.19 or later" >&2; exit 1; }
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .

lock: $(STAMPS)/dev ## pin what requirements/*.in ask for (UPGRADE=1 takes the newest)
	@$(LOCK) requirements/dev.in -o requirements/dev.lock
	@for name in runtime redis postgres sso parquet semantic build bench; do $(LOCK) requirements/$$name.in -c requirements/dev.lock -o requirements/$$name.lock; done

migration: $(STAMPS)/package $(STAMPS)/dev ## write the next step of the schema (WORDS="…"; ARGS=--first anew)
	@$(BIN)/python -m scripts.migration $(ARGS) $(WORDS)

clean: ## remove what was built and cached; the environment and the models stay
	@rm -rf dist site .cache src/narthex/dashboard/dist ui/client/dist $(STAMPS)/dashboard .coverage* .hypothesis
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find src tests scripts bench docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# --- the steps ---------------------------------------------------------------------------------------------------

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "make: Narthex needs Python 3.11 or later; install it, or name it: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "==> an environment in $(VENV) ($(shell $(PYTHON) --version 2>&1))"
	@$(PYTHON) -m scripts.environment $(VENV)

$(STAMPS)/runtime: requirements/runtime.lock $(VENV)/pyvenv.cfg
	@echo "==> what Narthex runs on"
	@$(PIP) -r requirements/runtime.lock
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/package: pyproject.toml requirements/build.lock $(STAMPS)/runtime
	@echo "==> Narthex itself"
	@$(PIP) -r requirements/build.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --no-build-isolation --no-deps --editable .
	@touch $@

$(STAMPS)/dev: requirements/dev.lock $(STAMPS)/runtime
	@echo "==> the tools to develop it"
	@$(PIP) -r requirements/dev.lock
	@touch $@

$(STAMPS)/bench: requirements/bench.lock $(STAMPS)/dev
	@$(PIP) -r requirements/bench.lock || echo "make bench: py-spy cannot be installed here, so there are no profiles" >&2
	@touch $@

browser: $(VENV)/pyvenv.cfg
	@$(BIN)/python -m scripts.debian browser

redis: $(VENV)/pyvenv.cfg
	@$(BIN)/python -m scripts.debian redis

postgres: $(VENV)/pyvenv.cfg
	@$(BIN)/python -m scripts.debian postgres

dashboard: $(VENV)/pyvenv.cfg
	@$(BIN)/python -m scripts.dashboard

models: $(STAMPS)/package
	@$(BIN)/python -m scripts.weights
