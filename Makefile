# Everything a newcomer needs. `make demo` and `make test` do all their own set-up.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JUDGES := 'pycocotools>=2.0.11,<3' 'datumaro>=1.13.12,<2' 'supervision>=0.31.2,<1' 'label-studio-converter>=0.0.59,<1' 'labelme>=6.3.1,<7'

.PHONY: setup demo clean-data test test-bucket test-training test-sam test-formats test-faults test-clients fuzz test-schemathesis test-schemathesis-long
.PHONY: soak test-alerts metrics-table test-deploy test-k8s audit clients lint types contracts openapi env-example lock lock-formats lock-clients lock-training clean

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

# Node comes from a wheel, and npm installs what the client's lock file says.
.venv-node/.installed: requirements-node.lock | setup
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-node
	@$(BIN)/uv pip install --quiet --python .venv-node/bin/python -r requirements-node.lock
	@touch $@

clients/typescript/node_modules/.installed: clients/typescript/package-lock.json .venv-node/.installed
	@cd clients/typescript && PATH="$(CURDIR)/.venv-node/bin:$$PATH" npm ci --silent
	@touch $@

# About 5 GB, once: what the engine with weights needs is kept apart from the rest.
.venv-sam/.installed: requirements.lock requirements-sam.lock pyproject.toml | setup
	@echo "Creating the environment in .venv-sam (about 5 GB; some minutes, the first time) ..."
	@$(PYTHON) -m venv .venv-sam
	@.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock -r requirements-sam.lock
	@.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# Libraries of others that read exports pin versions of their own.
.venv-formats/.installed: requirements-formats.lock | setup
	@echo "Creating the environment in .venv-formats (1.1 GB; a minute, the first time) ..."
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-formats
	@$(BIN)/uv pip install --quiet --python .venv-formats/bin/python -r requirements-formats.lock
	@touch $@

# A peer to speak to and to measure with; its libraries are its own.
.venv-label-studio/.installed: requirements-label-studio.lock | setup
	@echo "Creating the environment in .venv-label-studio (1 GB; a minute, the first time) ..."
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-label-studio
	@$(BIN)/uv pip install --quiet --python .venv-label-studio/bin/python -r requirements-label-studio.lock
	@touch $@

# ONCE=1 ends after the demonstration, PORT= chooses the port of the API.
demo: setup
	@$(BIN)/fourpoint demo $(if $(filter-out 0,$(ONCE)),--once) $(if $(PORT),--port $(PORT))

clean-data: setup
	@$(BIN)/fourpoint clean-data

test: setup .venv-swift/.installed
	@$(BIN)/python -m pytest -n auto --dist loadgroup -q -m "not bucket and not faults and not clients and not judges"

# Imports, exports and sidecars once more, on a real S3 server, and what they do where it fails.
test-bucket: setup .venv-swift/.installed
	@$(BIN)/python -m pytest -n auto -q -m bucket tests/integration/worker

# Where the model of the engine `compact` is trained: torch, in an environment of its own.
.venv-training/.installed: requirements-training.lock pyproject.toml
	@echo "Creating the environment in .venv-training (PyTorch: some minutes, the first time) ..."
	@$(PYTHON) -m venv .venv-training
	@.venv-training/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-training.lock
	@.venv-training/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# A short run of the training program, from made objects to a file that the engine could load.
test-training: .venv-training/.installed
	@.venv-training/bin/python -m pytest -q tests/training

# Kills real processes at random moments, twenty times each: some five minutes.
test-faults: setup
	@$(BIN)/python -m pytest -q -s tests/faults

# 200 simulated people for five minutes, left alone and while it breaks, and where this machine is full: into docs/load.md.
soak: setup
	@$(BIN)/python benchmarks/load.py --save docs/load.md
	@$(BIN)/python benchmarks/load.py --faults --save docs/load.md
	@$(BIN)/python benchmarks/load.py --labelers 100,200,300,400 --seconds 60 --save docs/load.md

# What writes the Python client's types and calls.
.venv-clients/.installed: requirements-clients.lock | setup
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-clients
	@$(BIN)/uv pip install --quiet --python .venv-clients/bin/python -r requirements-clients.lock
	@touch $@

# Clients in their own languages, against a running system.
test-clients: setup clients/typescript/node_modules/.installed .venv-clients/.installed
	@$(BIN)/python -m pytest -q tests/clients

# Files of strangers, made up from real ones, for all readers: always the same ones. SECONDS=3600 for more, SEED=0 by chance.
fuzz: setup
	@$(BIN)/python -m tests.fuzz.run $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

# Requests made from the contract, against a whole system: some two minutes, always the same ones.
test-schemathesis: setup
	@$(BIN)/python -m tests.schemathesis.run

# More than 10,000 requests alone and as many in sequences: most of an hour. SEED= makes other ones.
test-schemathesis-long: setup
	@$(BIN)/python -m tests.schemathesis.run --examples 100 --in-sequence 10000 $(if $(SEED),--seed $(SEED))

# The engine with weights, on small checkpoints made by the tests, without a GPU.
test-sam: .venv-sam/.installed
	@OMP_NUM_THREADS=1 .venv-sam/bin/python -m pytest -n 2 -q tests/sam

# Exports, read by pycocotools, Datumaro, supervision, Label Studio's converter, labelme and OpenCV.
test-formats: setup .venv-formats/.installed
	@$(BIN)/python -m pytest -n 2 -q -m judges tests/integration/judges

# The real Label Studio asks Fourpoint for outlines.
.PHONY: test-label-studio lock-label-studio
test-label-studio: setup .venv-label-studio/.installed
	@$(BIN)/python -m pytest -q tests/label_studio

# Containers with podman, as root: builds the images, and brings up, rolls, kills, migrates and restores the system.
test-deploy: .venv-deploy/.installed
	@$(BIN)/python -m pytest -q -s -x tests/deploy

.venv-deploy/.installed: requirements-deploy.lock | setup
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-deploy
	@$(BIN)/uv pip install --quiet --python .venv-deploy/bin/python -r requirements-deploy.lock
	@touch $@

# Alerts and their tests, by Prometheus' own promtool: from PATH, or out of Debian's package, without root.
test-alerts: setup
	@$(BIN)/python tests/observability/promtool.py

# deploy/k8s, as kustomize builds it, against the schemas of Kubernetes.
test-k8s: .venv-k8s/.installed
	@.venv-k8s/bin/python -m pytest -q tests/k8s

# The bindings of kustomize say that they need a newer Python; their library does not.
.venv-k8s/.installed: requirements-k8s.lock
	@$(PYTHON) -m venv .venv-k8s
	@.venv-k8s/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --ignore-requires-python -r requirements-k8s.lock
	@touch $@

# What searches for holes: in the code, for secrets, in what is pinned; and the list of all parts, in build/sbom.
audit: .venv-audit/.installed
	@.venv-audit/bin/python tests/audit/run.py

.venv-audit/.installed: requirements-audit.lock | setup
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python .venv-audit
	@$(BIN)/uv pip install --quiet --python .venv-audit/bin/python -r requirements-audit.lock
	@touch $@

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

contracts: setup
	@$(BIN)/lint-imports

# The public contract, written by the code; `make test` fails where the committed one differs.
openapi: setup
	@$(BIN)/python -m fourpoint_api.contract openapi/openapi.json

# The generated parts of both clients, written from the contract; `make test-clients` fails where they differ.
clients: openapi clients/typescript/node_modules/.installed .venv-clients/.installed
	@.venv-clients/bin/python clients/python/tools/generate.py openapi/openapi.json clients/python/fourpoint_client
	@cd clients/typescript && PATH="$(CURDIR)/.venv-node/bin:$$PATH" npm run --silent generate

env-example: setup
	@$(BIN)/python -m fourpoint_standalone.env_example deploy/env.example

# The table of docs/observability.md, out of the code.
metrics-table: setup
	@$(BIN)/python -m fourpoint_standalone.metrics_table docs/observability.md

lock: setup
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-emit-index-url pyproject.toml -o requirements.lock

lock-formats: setup
	@echo '# Judges of exports, in an environment of their own, `.venv-formats`. Installed by `make test-formats`.' > requirements-formats.lock
	@printf '%s\n' $(JUDGES) | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header - >> requirements-formats.lock

LABEL_STUDIO := 'label-studio>=1.23.2,<1.24' 'gunicorn>=25.1'
lock-label-studio: setup
	@echo '# Label Studio, in an environment of its own, `.venv-label-studio`. Installed by `make test-label-studio`.' > requirements-label-studio.lock
	@printf '%s\n' $(LABEL_STUDIO) | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header - >> requirements-label-studio.lock

lock-clients:
	@echo '# What writes the Python client, in an environment of its own, `.venv-clients`. Installed by `make clients`.' > requirements-clients.lock
	@printf '%s\n' 'datamodel-code-generator>=0.30,<1' 'ruff>=0.9,<1' | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header - >> requirements-clients.lock

# What a new environment of the training takes; of torch, whichever build the machine has.
lock-training:
	@rm -rf .venv-training && $(PYTHON) -m venv .venv-training
	@.venv-training/bin/python -m pip install --quiet --disable-pip-version-check 'torch==2.13.0' --editable '.[training]' pytest pytest-timeout
	@.venv-training/bin/python -m pip freeze --exclude-editable | sed 's/+cpu//' > requirements-training.lock

clean:
	rm -rf $(VENV) .venv-sam .venv-formats .venv-label-studio .venv-swift .venv-node .venv-training .venv-deploy .venv-k8s .venv-audit .venv-clients .venv-promtool clients/typescript/node_modules .mypy_cache .ruff_cache .hypothesis
