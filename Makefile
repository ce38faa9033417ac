# Two commands on a fresh machine: `make run` and `make test`. Each makes its own environment.
# PYTHON chooses the interpreter (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Compiled modules are kept, whatever the shell says: a start would take seconds without them.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-engines test-tools oracle bench-full check format bench docs lock reset clean

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Cloison needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--require-hashes -r requirements.lock
	@touch $@

run: $(READY)  ## serve on 127.0.0.1:8000, with a demo organisation on first start
	@$(BIN)/python -m server serve --demo

test: $(READY)  ## run every test; of the promises on PostgreSQL, a slice
	$(BIN)/python -m pytest -n 3 -q -m "not tools and not engines"

test-engines: $(READY)  ## run the rest of the promises on PostgreSQL
	$(BIN)/python -m pytest -n 3 -q -m "engines and not tools"

test-tools: $(READY)  ## run the tests that need strace and curl as well
	$(BIN)/python -m pytest -q -m tools

oracle: $(READY)  ## walk 100,000 random steps, and compare every frame with what is promised
	$(BIN)/python -m tests.oracle --steps 100000

check: $(READY)  ## format, lint, types, imports, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.reference --check

format: $(READY)  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY)  ## write the generated halves of the documents
	$(BIN)/python -m tools.reference

bench: $(READY)  ## measure a server of its own: posts/s, deliveries/s, latency, memory
	$(BIN)/python -m benchmarks --quick

bench-full: $(READY)  ## the same, every scenario, several times
	$(BIN)/python -m benchmarks

lock: $(READY)  ## pin what pyproject.toml asks for, with hashes, for every platform
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml -o requirements.lock

reset:  ## forget the demo organisation and everything said in it
	rm -rf var

clean: reset  ## remove everything that was made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
