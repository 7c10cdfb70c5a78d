# Everything a newcomer needs. `make demo` and `make test` do all their own set-up.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo clean-data test test-faults lint types contracts openapi lock clean

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	@echo "Creating the environment in $(VENV) (a minute, the first time) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -r requirements.lock | sed -un 's/^Collecting \([^ =]*\).*/  \1/p'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# The S3 server of the tests pins libraries of its own.
.venv-swift/.installed: requirements-swift.lock | setup
	@$(BIN)/python tests/s3_server.py install
	@touch $@

# ONCE=1 ends after the demonstration, PORT= chooses the port of the API.
demo: setup
	@$(BIN)/fourpoint demo $(if $(filter-out 0,$(ONCE)),--once) $(if $(PORT),--port $(PORT))

clean-data: setup
	@$(BIN)/fourpoint clean-data

test: setup .venv-swift/.installed
	@$(BIN)/python -m pytest -n auto --dist loadgroup -q -m "not faults"

# Kills real processes at random moments, twenty times each: some five minutes.
test-faults: setup
	@$(BIN)/python -m pytest -q -s tests/faults

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

contracts: setup
	@$(BIN)/lint-imports

# The public contract, written by the code; `make test` fails where the committed one differs.
openapi: setup
	@$(BIN)/python -m fourpoint_api.contract openapi/openapi.json

lock: setup
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-emit-index-url pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .venv-swift .mypy_cache .ruff_cache .hypothesis
