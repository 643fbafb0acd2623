# make demo and make test need nothing but Python >= 3.11: they make .venv and install into it.
# No GPU? Save gigabytes: make .venv, then install a CPU build of torch 2.13.0 into it, then go on (see docs/start/install.md).

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
PINS := pyproject.toml constraints.txt
INSTALLED := .venv/.installed
TESTABLE := .venv/.testable
CHECKABLE := .venv/.checkable

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow check bench docs clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

install: $(INSTALLED)  ## make .venv and install geocellseg into it

demo: $(INSTALLED)  ## the whole chain on the bundled scene, written to demo/
	$(BIN)/geoseg demo --out demo/ --overwrite

test: $(TESTABLE)  ## all tests but those marked slow; REQUIRE_ORACLES=1 fails where an oracle is missing
	$(BIN)/python -m pytest -q

test-slow: $(TESTABLE)  ## the tests marked slow
	$(BIN)/python -m pytest -q -m slow

check: $(CHECKABLE)  ## format, lint, types, import contracts, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(TESTABLE)  ## the quick form of the benchmarks that need no data
	@set -e; for script in benchmarks/help.py benchmarks/crf.py benchmarks/simulate.py; do echo "== $$script"; $(BIN)/python $$script --quick; done

docs: $(CHECKABLE)  ## read the docs at http://localhost:8000
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

clean:  ## remove what make and the tools wrote, .venv included
	rm -rf .venv demo site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

.venv:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("geocellseg needs Python >= 3.11, got %d.%d; make PYTHON=python3.x" % sys.version_info[:2])'
	$(PYTHON) -m venv .venv

# torch comes first and by its exact version: a range would let pip choose another build than the one that is there.
$(INSTALLED): $(PINS) | .venv
	@echo "installing geocellseg into .venv"
	$(PIP) torch
	$(PIP) --editable .
	@touch $@

# pydensecrf2, an oracle of the tests, is compiled on the spot.
$(TESTABLE): $(INSTALLED)
	@echo "installing the test extras"
	$(PIP) --editable '.[test]'
	@if ! { command -v cc || command -v gcc; } > /dev/null; then echo "no C compiler: the extra crf is left out, tests that need it skip"; \
	elif ! $(PIP) --editable '.[crf]'; then echo "pydensecrf2 does not build here: the extra crf is left out, tests that need it skip"; fi
	@touch $@

$(CHECKABLE): $(TESTABLE)
	@echo "installing the tools"
	$(PIP) --editable '.[dev]'
	@touch $@
