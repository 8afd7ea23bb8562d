# Needs python3 (3.11 or newer) with venv and pip; everything else is installed into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check
PYTEST_OPTIONS ?= -q -n auto --dist worksteal
UV := $(BIN)/uv --quiet
SITE := build/site
PYTHONS := 3.11 3.12 3.13 3.14
PYENV := $(subst $() ,,$(addsuffix :,$(wildcard $(HOME)/.pyenv/versions/3.*/bin)))

.PHONY: demo test lint bench fuzz soak docs check-links test-lowest test-all dist clean

demo: $(VENV)/.installed-cli
	$(BIN)/capledger demo

test: lint
	$(BIN)/python -m pytest $(PYTEST_OPTIONS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pyright --verifytypes capledger --ignoreexternal > $(VENV)/types.txt || (cat $(VENV)/types.txt; exit 1)

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

# The properties again, with many more examples than the usual run, and 20,000 random services by their seeds.
fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PYTEST_OPTIONS) --hypothesis-profile=fuzz
	PYTHONPATH=tests $(BIN)/python -m support.fuzz_walks --count 20000

# The site, with warnings as errors, and its links.
docs: $(VENV)/.installed-docs
	$(BIN)/python docs/pictures.py --check
	$(BIN)/python -m sphinx -q -W --keep-going -j auto -b html docs $(SITE)
	$(BIN)/python docs/check_site.py $(SITE)

# Links to other sites: needs the internet.
check-links: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -q -b linkcheck docs build/links

# The suite with the oldest versions that pyproject.toml allows.
test-lowest: $(VENV)/.installed-release
	$(UV) venv --clear --python $(BIN)/python build/lowest
	$(UV) pip install --python build/lowest --resolution lowest-direct --editable '.[dev]'
	build/lowest/bin/python -m pytest $(PYTEST_OPTIONS)

# The suite with each version of Python that is on this machine.
test-all: $(addprefix test-,$(PYTHONS))

test-3.%: $(VENV)/.installed-release
	@python=$$(PATH="$(PYENV)$$PATH" $(UV) python find --no-python-downloads 3.$* 2>/dev/null) \
		|| { echo "Python 3.$* is not on this machine"; exit 0; }; \
	set -ex; \
	$(UV) venv --clear --python "$$python" build/3.$*; \
	$(UV) pip install --python build/3.$* --editable '.[dev]'; \
	build/3.$*/bin/python -m pytest $(PYTEST_OPTIONS)

# Source and binary distribution, checked and tried: the demo and the fixtures from the wheel, the tests from the source.
dist: $(VENV)/.installed-release
	rm -rf dist build/dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/pyroma --min=10 dist/*.tar.gz
	$(BIN)/zizmor --quiet --offline .github
	$(UV) venv --python $(BIN)/python build/dist/wheel
	$(UV) pip install --python build/dist/wheel "$$(echo dist/*.whl)[cli,test]"
	cd build/dist && wheel/bin/capledger demo && wheel/bin/pytest --fixtures | grep -A 1 ^capledger_
	$(BIN)/cyclonedx-py environment build/dist/wheel --pyproject pyproject.toml --output-reproducible -o dist/capledger.cdx.json
	mkdir build/dist/source && tar -xf dist/*.tar.gz -C build/dist/source --strip-components 1
	$(UV) venv --python $(BIN)/python build/dist/tests
	$(UV) pip install --python build/dist/tests --editable 'build/dist/source[dev]'
	cd build/dist/source && ../tests/bin/python -m pytest $(PYTEST_OPTIONS)

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
