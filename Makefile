# Runs everything without containers: needs Python 3.11 or later with its venv module, and make. See README.md.
#
# Where PyPI's torch comes with CUDA and only the CPU is to be used, `export
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu` first: same version, a tenth of the size.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

bin := $(VENV)/bin
packages := libs services/captioner services/tagger services/editor services/gateway services/worker services/ui
manifests := constraints.txt $(packages:%=%/pyproject.toml)
pip_install := $(bin)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
editable := --no-build-isolation $(packages:%=--editable %)
# Files of tests in order, N at a time; those that share a stack one after another (tests/conftest.py). N=0: in one process.
N ?= 2
at_a_time := -n $(N) --no-loadscope-reorder
# What needs neither a server nor a browser.
fast := tests/unit $(filter-out tests/contract/gateway,$(wildcard tests/contract/*))

.PHONY: help demo up down status install-service models test test-fast test-faults test-fuzz test-compose lint sbom audit format bench constraints clean

help:  ## What there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.runs  ## Analyse a clip, show what is odd in it, stay up until Ctrl-C (ARGS=--once: exit)
	@$(bin)/python -m tools.demo $(ARGS)

up: $(VENV)/.runs  ## Start everything in the background; ready when it returns
	@$(bin)/python -m tools.stack up

down: $(VENV)/.runs  ## Stop it
	@$(bin)/python -m tools.stack down

install-service: $(VENV)/.runs  ## Have systemd start it with your session, and keep it up
	@$(bin)/python -m tools.service

models: $(VENV)/.runs  ## Fetch models: TIER=standard, or by name MODELS="hf:ORG/NAME ..."; goes on where it stopped
	@$(bin)/python -m tools.models $(or $(MODELS),$(TIER))

status: $(VENV)/.runs  ## Say what runs
	@$(bin)/python -m tools.stack status

test: $(VENV)/.develops  ## All tests but those with containers (N=2: two files at a time; ARGS: pytest's)
	@tools/install-chromium
	$(bin)/python -m pytest -m "not compose" $(at_a_time) $(ARGS)

test-fast: $(VENV)/.develops  ## Those that need no server and no browser: minutes
	$(bin)/python -m pytest $(fast) $(at_a_time) $(ARGS)

test-faults: $(VENV)/.develops  ## Those that break something: full disks, refused writes, processes that die
	$(bin)/python -m pytest tests/faults tests/integration/tools/test_supervision.py tests/integration/worker $(ARGS)

test-fuzz: $(VENV)/.develops  ## The API against its own description, with schemathesis (SECONDS=600, SEED=...)
	FUZZ_SECONDS=$(or $(SECONDS),600) $(if $(SEED),FUZZ_SEED=$(SEED)) $(bin)/python -m pytest tests/fuzz $(ARGS)

test-compose: $(VENV)/.develops  ## Build the images and try them; needs a Docker Engine
	$(bin)/python -m pytest -m compose tests/compose $(ARGS)

lint: $(VENV)/.develops  ## ruff, mypy, and who may import what
	$(bin)/ruff check .
	$(bin)/ruff format --check .
	$(bin)/mypy tools training benchmarks $(packages)
	$(bin)/lint-imports

sbom: $(VENV)/.runs  ## Write out/sbom.cdx.json: what is installed, with versions and licences (CycloneDX)
	@mkdir -p out
	@tools/with-tool cyclonedx-bom==7.5.0 cyclonedx-py environment $(bin)/python --output-file out/sbom.cdx.json

audit:  ## Look the pinned versions up among known vulnerabilities (asks PyPI's advisory service; docs/security.md)
	@tools/with-tool pip-audit==2.10.1 pip-audit --requirement constraints.txt --no-deps --disable-pip

format: $(VENV)/.develops  ## Let ruff put things right
	$(bin)/ruff check --fix .
	$(bin)/ruff format .

bench: $(VENV)/.develops  ## How fast it is, as ratios (see docs/benchmarks.md)
	$(bin)/python -m benchmarks $(ARGS)

$(VENV)/.runs: $(manifests) tools/requirements.txt
	@test -x $(bin)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what runs the services into $(VENV): minutes the first time"
	@$(pip_install) setuptools
	@$(pip_install) $(editable) -r tools/requirements.txt
	@touch $@

$(VENV)/.develops: $(VENV)/.runs requirements-dev.txt
	@echo "Installing what the tests need"
	@$(pip_install) -r requirements-dev.txt
	@touch $@

constraints:  ## Write constraints.txt anew, with the newest versions that fit together
	tools/write-constraints $(editable)

clean:  ## Stop everything; remove the environment, caches and out/ (data/ stays)
	@test ! -e $(VENV)/.runs || $(bin)/python -m tools.stack down
	rm -rf $(VENV) out .mypy_cache .pytest_cache .ruff_cache
	find libs services tools tests -name __pycache__ -prune -exec rm -rf {} +
	rm -rf libs/*.egg-info services/*/*.egg-info
