# What people and machines do with this repository. `make run` is the place to start.
#
#   make run      set up, then show two people and a supernode at work (ARGS=--json: for programs)
#   make check    before every commit: format, lint, types, layers, quick tests; under a minute
#   make test     every test; what needs root is left out without root, and named
#   make bench    the benchmarks
#   make lock     write requirements/*.lock anew (ARGS=--upgrade: with the newest versions)

PYTHON := .venv/bin/python
ARGS :=

.PHONY: run setup setup-test format lint check test bench lock

run: setup
	@.venv/bin/hark demo $(ARGS)

setup:
	@tools/setup run

setup-test:
	@tools/setup test

format: setup-test
	$(PYTHON) -m ruff format
	$(PYTHON) -m ruff check --fix

lint: setup-test
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m ruff check
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo

check: lint
	$(PYTHON) -m pytest -n auto -q -m "not slow" tests/unit tests/spec tests/sim $(ARGS)

test: setup-test
	tools/test $(ARGS)

bench: setup-test
	$(PYTHON) -m benchmarks.run $(ARGS)

lock: setup
	tools/lock $(ARGS)
