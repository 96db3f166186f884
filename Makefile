# `make demo` and `make test` do all their own set-up: a virtual environment under .venv, from locked requirements with hashes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

# Compiled modules are kept, whatever the environment says: without them every start compiles pandas and pulumi anew, which takes seconds.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint generate bench bench-models bench-many league lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   both clouds on this machine: one load, one forecast, two schedules, 48 hours (ARGS='--csv load.csv')"
	@echo "make test   lint, types, import rules, tests"
	@echo "make lint   lint, types, import rules"
	@echo "make generate  argument modules, reference pages and schemas, from the declared fields"
	@echo "make bench  speed and memory of the job, and the minimum in force over 2,000 pairs of plans"
	@echo "make bench-models  forecasts on 40 loads, relative to last week's load (ARGS='--data DIR', '--quick')"
	@echo "make bench-many  a thousand series in parallel, beside AutoARIMA and Prophet (ARGS='--data DIR')"
	@echo "make league  policies x public loads x startup times (ARGS='--quick')"
	@echo "make lock   renew the locked requirements"

$(VENV)/bootstrapped: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

# uv takes seconds where pip takes minutes; pip is what a network of its own rules (a mirror, a proxy) is most often set up for.
export UV_SYSTEM_CERTS := true
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
install = $(UV) $(1) || $(PIP) $(1)

# Two sets: the demo needs no test tools. The larger set holds the smaller, so `make demo` after `make test` installs nothing.
$(VENV)/demo: $(VENV)/bootstrapped requirements/demo.txt pyproject.toml
	@test -e $(VENV)/dev || { $(call install,--require-hashes -r requirements/demo.txt); }
	@$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@

$(VENV)/dev: $(VENV)/bootstrapped requirements/dev.txt pyproject.toml
	@$(call install,--require-hashes -r requirements/dev.txt)
	@$(call install,--no-deps --no-build-isolation --editable .)
	@touch $@ $(VENV)/demo

demo: $(VENV)/demo
	@$(BIN)/elastic-iac demo $(ARGS)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright
	$(BIN)/lint-imports

# What follows from the declarations of fields: argument modules, reference pages, JSON schemas.
generate: $(VENV)/dev
	$(BIN)/python -m elastic_iac.common.generate
	$(BIN)/python docs/render_settings.py
	$(BIN)/python docs/render_components.py

test: lint
	$(BIN)/pytest -n $(JOBS) $(ARGS)

bench: $(VENV)/dev
	$(BIN)/python -m benchmarks $(ARGS)
	EXPLORE=1 MINIMUM_IN_FORCE_PAIRS=2000 $(BIN)/pytest -n $(JOBS) --timeout 3600 -q tests/test_minimum_in_force.py tests/test_gcp_minimum_in_force.py
	FLEETS_OF_A_FUNCTION=150 $(BIN)/pytest --timeout 3600 -q tests/test_invocation.py -k half_written

# The forecasts' rivals weigh half a gigabyte: an environment of their own.
.venvs/rivals/ready: $(VENV)/bootstrapped requirements/rivals.txt
	$(PYTHON) -m venv .venvs/rivals
	@$(BIN)/uv pip install --quiet --python .venvs/rivals/bin/python --no-deps --require-hashes -r requirements/rivals.txt
	@touch $@

bench-models: .venvs/rivals/ready
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venvs/rivals/bin/python -m benchmarks.forecast_bench --out benchmarks/results/forecast.md $(ARGS)

league: .venvs/rivals/ready
	.venvs/rivals/bin/python -m benchmarks.league --out benchmarks/results/league.md $(ARGS)

bench-many: .venvs/rivals/ready
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venvs/rivals/bin/python -m benchmarks.many_series --out benchmarks/many_series.md $(ARGS)

lock: $(VENV)/bootstrapped
	UV=$(BIN)/uv requirements/lock.sh

clean:
	rm -rf $(VENV) .venvs build dist out *.egg-info
