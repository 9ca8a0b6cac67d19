# Set-up, demonstration and checks. Everything is installed into .venv, nothing beside it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: demo test lint dist docs extras changelog clean

demo: $(INSTALLED)
	$(BIN)/ladderscope demo -o demo --overwrite
	$(BIN)/ladderscope demo -o demo --split --overwrite

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

# A wheel and a source distribution, checked.
dist: $(INSTALLED)
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

# The documentation site, in build/site. A warning, a dead link or a missing name is an error.
docs: $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	rm -rf build/site
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet --conf-dir docs/site . build/site
	$(BIN)/python docs/site/check.py build/site

# What the tests of napari, vendor formats and MicroSSIM need; without it they are skipped.
extras: $(INSTALLED)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[evaluation,formats,napari]' pylibCZIrw pytest-qt

# What has changed since the last release, as CHANGELOG.md will say it.
changelog: $(INSTALLED)
	@$(BIN)/towncrier build --draft --version unreleased 2>/dev/null

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build demo dist docs/reference .pytest_cache .mypy_cache .ruff_cache .hypothesis
