# `make` alone lists the targets. They need Python 3.11 or newer with its venv module, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
EXTRAS := dev,app,databases,cluster,pdf
INSTALLED := $(VENV)/.installed
BENCH_INSTALLED := $(VENV)/.installed-bench
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadscope

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

# The environment is installed again only when the packages asked for have changed.
$(INSTALLED): pyproject.toml constraints.txt
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  chosen=""; \
	  for name in python3.13 python3.12 python3.11 python3; do \
	    if "$$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' \
	        >/dev/null 2>&1; then chosen="$$name"; break; fi; \
	  done; \
	  if [ -z "$$chosen" ]; then \
	    echo "Python 3.11 or newer with its venv module was not found (tried python3.13," >&2; \
	    echo "python3.12, python3.11, python3). Install it, on Debian: apt-get install" >&2; \
	    echo "python3 python3-venv, then run make again." >&2; \
	    exit 1; \
	  fi; \
	  echo "Creating $(VENV) with $$("$$chosen" --version)"; \
	  "$$chosen" -m venv --clear $(VENV); \
	fi
	@echo "Installing the packages into $(VENV) (some minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

$(BENCH_INSTALLED): $(INSTALLED)
	@echo "Installing the peers that the benchmarks compare with"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[$(EXTRAS),bench]'
	@touch $@

.PHONY: install
install: $(INSTALLED) ## set up the environment in .venv

.PHONY: plan
plan: $(INSTALLED) ## set up, then check and run the sample plan
	$(BIN)/planning-kit check data_samples
	$(BIN)/planning-kit run data_samples

# One thread for each numerical library: two test workers already fill two cores.
test test-all: export OMP_NUM_THREADS := 1
test test-all: export OPENBLAS_NUM_THREADS := 1
test test-all: export MKL_NUM_THREADS := 1

# All parts of a check always run, so that one failure does not hide another. Whoever runs `coverage`
# too need not run its tests twice: make test ELSEWHERE='tests/test_allocation*.py tests/test_agreement_meet.py'
.PHONY: test
test: $(INSTALLED) ## set up, then run the fast tests and compare every notebook with its outputs
	@failed=0; \
	$(PYTEST) -m "not slow" $(ELSEWHERE:%=--ignore-glob='%') || failed=1; \
	$(PYTEST) --nbval --nbval-current-env --nbval-cell-timeout=120 notebooks || failed=1; \
	exit $$failed

.PHONY: test-all
test-all: $(INSTALLED) ## the same with the slow tests
	@failed=0; \
	$(PYTEST) || failed=1; \
	$(PYTEST) --nbval --nbval-current-env --nbval-cell-timeout=120 notebooks || failed=1; \
	exit $$failed

.PHONY: coverage
coverage: $(INSTALLED) ## every line and branch of the allocation room is tested
	$(PYTEST) tests/test_allocation*.py tests/test_agreement_meet.py -m "not slow" -q \
	  --cov=planning_kit/allocation --cov-branch --cov-report=term-missing --cov-fail-under=100

.PHONY: lint
lint: $(INSTALLED) ## check style and types
	@failed=0; \
	$(BIN)/ruff check . || failed=1; \
	$(BIN)/ruff format --check . || failed=1; \
	$(BIN)/mypy || failed=1; \
	$(BIN)/oxlint || failed=1; \
	exit $$failed

.PHONY: docs
docs: $(INSTALLED) ## write the generated pages, then check every link and snippet of the documents
	$(BIN)/python docs/generate.py
	$(BIN)/python -m pytest tests/test_repository.py -k document

.PHONY: lab
lab: $(INSTALLED) ## open JupyterLab on the first notebook
	$(BIN)/jupyter lab notebooks/00_start_here.ipynb

.PHONY: app
app: $(INSTALLED) ## serve the what-if panel as a page
	$(BIN)/planning-kit app

.PHONY: notebooks
notebooks: $(INSTALLED) ## write the outputs of the sample plan into the notebooks
	$(BIN)/planning-kit notebooks refresh

.PHONY: bench
bench: $(BENCH_INSTALLED) ## run one benchmark: make bench NAME=allocation
	@if [ -z "$(NAME)" ]; then \
	  echo "Say which one, for example: make bench NAME=allocation. There are:" >&2; \
	  (cd benchmarks && ls [a-z]*.py) | sed 's/\.py$$//; s/^/  /' >&2; \
	  exit 2; \
	fi
	$(BIN)/python -m benchmarks.$(NAME)

.PHONY: clean
clean: ## remove what builds, tests and runs of the sample plan left; .venv stays
	rm -rf build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache htmlcov
	rm -rf data_samples/runs data_samples/.prepared
	find . -path ./$(VENV) -prune -o -type d \( -name __pycache__ -o -name .ipynb_checkpoints \) \
	  -exec rm -rf {} +
