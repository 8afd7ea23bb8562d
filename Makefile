# Needs python3 (3.11 or newer) with venv and pip; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
PYTEST_OPTIONS ?= -q -n auto --dist worksteal

.PHONY: demo test lint bench fuzz soak clean

demo: $(VENV)/.installed-cli
	$(BIN)/capledger demo

test: lint
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

# The properties again, with many more examples than the usual run, and 20,000 random services by their seeds.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) --hypothesis-profile=fuzz
	PYTHONPATH=tests $(BIN)/python -m support.fuzz_walks --count 20000

# Checks that take too long for the tests.
soak: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.soak

clean:
	rm -rf $(VENV) .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: pyproject.toml | $(VENV)/bin/python
	$(PIP) --editable '.[$*]'
	@touch $@

.SECONDARY:
