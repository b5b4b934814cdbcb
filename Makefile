.DEFAULT_GOAL := help
.PHONY: help demo test test-compose test-cluster gpu-test fuzz check fix docs bench pictures up lock

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COMPILE := $(BIN)/uv pip compile pyproject.toml --upgrade --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url
# What `make demo` and the images have beside a backend.
EXTRAS := --extra dashboard --extra s3
# Where tests find all of mnist/*.gz, if anywhere.
TUNER_DATA ?= $(abspath $(firstword $(wildcard ../shared/data) $(HOME)/.cache/tuner/data))
# Benchmarks and pictures use what tests share, `tests/support` and `tests/chaos`, in this one way.
BESIDE_TESTS := PYTHONPATH=tests $(BIN)/python

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/run ## Search, prune, retrain and test on scikit-learn's digits; ends with the report's path
	$(BIN)/tuner run digits

# One process more than cores, because many tests wait, and 9 at most, as each holds a gigabyte; files in their order,
# which has the long ones first.
test: $(VENV)/dev ## Run all tests, against a real Postgres and in a real browser, which is fetched where none is
	$(BESIDE_TESTS) -m support.browsers
	cores=$$(nproc); TUNER_DATA=$(TUNER_DATA) $(BIN)/pytest --numprocesses=$$((cores < 8 ? cores + 1 : 9)) \
		--dist=loadfile --no-loadscope-reorder

test-compose: $(VENV)/dev ## Build the images and run them, with kills, on an engine of its own (root on Debian) or DOCKER_HOST's
	$(BIN)/pytest tests/compose -m compose --capture=no

fuzz: $(VENV)/dev ## Try 10,000 damaged files and texts on each reader; FUZZ_SEED=N tries those of another seed
	TUNER_FUZZ_EXAMPLES=$${TUNER_FUZZ_EXAMPLES:-10000} $(BIN)/pytest tests/fuzz $(if $(FUZZ_SEED),--hypothesis-seed=$(FUZZ_SEED))

test-cluster: $(VENV)/dev ## Kill actors, a node and drivers of a Ray cluster of three nodes on this machine
	$(BIN)/pytest tests/cluster -m cluster

gpu-test: $(VENV)/dev ## Run the tests that need a GPU, on the backend that KERAS_BACKEND names
	XLA_PYTHON_CLIENT_PREALLOCATE=false TF_FORCE_GPU_ALLOW_GROWTH=true $(BIN)/pytest tests/gpu -m gpu

check: $(VENV)/dev docs ## Format, lint, types, imports, and the manual with its links
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/dev ## Format, and mend what ruff can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(VENV)/dev ## Build the manual into site/; open site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/dev ## Run every benchmark in its quick form
	for file in bench/*.py; do $(BESIDE_TESTS) $$file --quick || exit 1; done

pictures: $(VENV)/dev ## Draw the README's pictures anew, of a study that is run for them; minutes
	$(BESIDE_TESTS) -m support.pictures docs

up: ## Start Postgres, workers and dashboard in containers
	docker compose up workers

lock: $(VENV)/dev ## Pin the newest versions that pyproject.toml allows
	$(BIN)/pip install uv
	$(COMPILE) --group build $(EXTRAS) --extra tensorflow --output-file requirements.lock
	$(COMPILE) --group build $(EXTRAS) --extra gpu --output-file requirements-gpu.lock
	$(COMPILE) --group dev $(EXTRAS) --extra tensorflow --extra jax --output-file requirements-dev.lock

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tuner needs Python 3.11 or newer; set PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

# The build backend is in both locks, so that installing the package itself fetches nothing unpinned.
$(VENV)/run: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-build-isolation --no-deps --editable .
	touch $@

$(VENV)/dev: requirements-dev.lock $(VENV)/run
	$(BIN)/pip install --quiet --require-hashes -r requirements-dev.lock
	touch $@
