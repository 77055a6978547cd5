# Every task of this repository. `make help` lists them; ARGS="..." goes to the tool behind a task.
#
# Two stamps keep re-runs instant: .venv/.runtime is newer than what the service needs,
# .venv/.dev newer than what tests and linters need on top. Both are installed from hashed locks,
# by uv where it is on PATH, else by the venv's own pip. The locks are whole, so nothing is resolved
# (--no-deps): older pips ask the index for `coverage[toml]` anew and then miss its hash.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
# Asked for newest first; PYTHON=/path/to/python3 overrides.
PYTHON ?= python3.13 python3.12 python3.11 python3
# 2>/dev/null also makes old versions of make run this by a shell, which knows `command`.
UV := $(shell command -v uv 2>/dev/null)
INSTALL = $(if $(UV),$(UV) pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check) --quiet

.PHONY: help
help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# exec: signals sent to the task reach the service itself, and nothing outlives it.
.PHONY: run
run: $(RUNTIME) ## Start the service with demo data; Ctrl-C stops it
	@exec $(BIN)/quotasvc serve --demo $(ARGS)

# Parallelism and coverage live here, so that a plain `pytest tests/x.py` stays quick.
.PHONY: test
test: $(DEV) ## Run all tests with coverage
	@$(BIN)/python -m pytest -n auto --cov $(ARGS)

.PHONY: profile
profile: $(DEV) ## Print where the CPU time of one decision goes, on this machine
	@$(BIN)/python -m tests.bench.profile

# The short form is a test; ARGS="--operations 20000 --kills 5 --seed 7" changes the long one.
.PHONY: chaos
chaos: $(DEV) ## Kill the store and the service under load, again and again (10 min)
	@$(BIN)/python -m tests.chaos.run $(ARGS)

# The short form is a test; ARGS="--seed 17 --rounds 1 --shrink" plays one round again.
.PHONY: model
model: $(DEV) ## Compare the service with the oracle over random histories (20 min)
	@$(BIN)/python -m tests.model.run $(ARGS)

# Goes on where it was cut off; ARGS="--only domain/order", "--survivors" or "--planted" narrow it.
.PHONY: mutants
mutants: $(DEV) ## Try every mutant of the rules against the tests (1-2 h, resumable)
	@$(BIN)/python -m tests.mutants.run --state $(VENV)/.mutants.jsonl $(ARGS)

# Needs Go and, the first time, some minutes; without Go it says so and is content.
.PHONY: conformance
conformance: $(DEV) ## Run the public suites of gRPC and Connect against the Envoy door
	@$(BIN)/python -m tests.conformance.run $(ARGS)

.PHONY: cost
cost: $(DEV) ## Print what a decision costs the store, beside its bare commands
	@$(BIN)/python -m tests.bench.cost

.PHONY: lint
lint: $(DEV) breaking proto-check ## Check format, style, types, imports and the contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code --path proto/quotasvc

.PHONY: rules
rules: $(DEV) ## Renew docs/rules.md: every rule, and the tests that cite it
	@$(BIN)/python -m tests.rules.table

.PHONY: format
format: $(DEV) ## Format Python and protos, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write --path proto/quotasvc

.PHONY: ci
ci: ## Run exactly what CI runs
	@.ci/run

## The contract

PROTOS := $(sort $(wildcard proto/quotasvc/v1/*.proto))
STUBS := quotasvc/v1
BASELINE := proto/baseline.binpb
# No *_pb2_grpc.py: the service table is derived from the descriptors.
GENERATE = $(BIN)/python -m grpc_tools.protoc --proto_path=proto $(PROTOS) \
	--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy
IMAGE = $(BIN)/buf build proto --exclude-source-info --output

# The baseline moves with every compatible change, so an addition is protected at once.
.PHONY: proto
proto: $(DEV) breaking ## Lint the protos, generate quotasvc/v1 and move the baseline
	$(BIN)/buf lint
	@rm -f $(STUBS)/*_pb2.py $(STUBS)/*_pb2.pyi
	$(GENERATE) --python_out=. --mypy_out=quiet:.
	$(IMAGE) $(BASELINE)

.PHONY: proto-check
proto-check: $(DEV) ## Fail if stubs or baseline are not what the protos generate
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && \
	$(GENERATE) --python_out="$$fresh" --mypy_out=quiet:"$$fresh" && \
	$(IMAGE) "$$fresh/baseline.binpb" && \
	diff -r -x __init__.py -x __pycache__ "$$fresh/quotasvc/v1" $(STUBS) && \
	cmp "$$fresh/baseline.binpb" $(BASELINE) || \
	{ echo "Stubs or baseline are stale: run make proto and commit the result." >&2; exit 1; }

.PHONY: breaking
breaking: $(DEV) ## Fail if the contract breaks callers of the committed baseline
	@[ ! -e $(BASELINE) ] || $(BIN)/buf breaking proto --against $(BASELINE) || \
	{ echo "Only for what was never released: rm $(BASELINE) && make proto" >&2; exit 1; }

## Set-up

.PHONY: venv
venv: $(BIN)/python ## Make an empty virtual environment with the newest Python that works

.PHONY: dev
dev: $(DEV) ## Install all that tests and linters need

# A candidate is tried, not looked up: pyenv leaves names on PATH that only print an error, and
# Debian's python3 lacks ensurepip until python3-venv is installed.
$(BIN)/python:
	@for python in $(PYTHON); do \
		"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		echo "Making $(VENV) with $$("$$python" --version)"; \
		exec "$$python" -m venv --clear $(VENV); \
	done; \
	echo "quotasvc needs Python 3.11 or newer with its venv module; none of these has both: $(PYTHON)" >&2; \
	echo "  Debian, Ubuntu:  apt-get install python3 python3-venv" >&2; \
	echo "  Fedora:          dnf install python3" >&2; \
	echo "  macOS:           brew install python" >&2; \
	echo "or name another one: make PYTHON=/path/to/python3 ..." >&2; \
	exit 1

# The build backend is in the lock, so the editable install asks no index for anything.
$(RUNTIME): requirements.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the service needs (some 15 s with pip, 2 s with uv)"
	@$(INSTALL) --no-deps --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.lock $(RUNTIME)
	@echo "Installing what tests and linters need"
	@$(INSTALL) --no-deps --require-hashes -r requirements-dev.lock
	@touch $@

# No registry address may stand in a lock: each machine uses the index that it is set up for.
LOCK = $(BIN)/uv pip compile pyproject.toml --group build --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --no-config --quiet

.PHONY: lock
lock: $(DEV) ## Renew both locks from the pins of pyproject.toml
	$(LOCK) --output-file requirements.lock
	$(LOCK) --group dev --constraint requirements.lock --output-file requirements-dev.lock

.PHONY: clean
clean: ## Remove what make can make again; data directories stay
	rm -rf $(VENV) .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find quotasvc tests clients -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
