# Two commands: `make run` starts everything, `make test` checks everything.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-all faults benchmarks soak lint clean

run: $(VENV)/runtime.installed
	@$(BIN)/python app.py $(if $(PORT),--port $(PORT))

test: lint
	@$(BIN)/python -m pytest -n 3 -m "not slow"

# The same with the slow suites: browsers at every width, the longer races.
test-all: lint
	@$(BIN)/python -m pytest -n 2

# Senders, schedulers and databases killed, stopped and cut off at every named point; a slice of it is in `make test`.
faults: $(VENV)/development.installed
	@$(BIN)/python -m pytest tests/faults -n 2

# Delivery beside Postfix's own load generator (docs/performance.md has the other benchmarks).
benchmarks: $(VENV)/development.installed
	@$(BIN)/python -m benchmarks.throughput

# Issues, refusals, sign-ups and unsubscribes at once, for ten minutes on each database: MINUTES=60 for an hour.
soak: $(VENV)/development.installed
	@$(BIN)/python -m benchmarks.soak $(if $(MINUTES),--minutes $(MINUTES))

lint: $(VENV)/development.installed
	@$(BIN)/python -m tests.needed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

$(VENV)/runtime.installed: requirements.txt | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/development.installed: requirements.txt requirements-dev.txt | $(BIN)/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/runtime.installed

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make run PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache
