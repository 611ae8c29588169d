# make run [ARGS="--port 0"]   install what is missing into .venv, then serve
# make test [ARGS="-k name"]   install and run every check and every test
# make check                   the checks without the long tests: ruff, mypy, pyright, import-linter, the docs
# make test-pykka              run pykka's own tests on AsyncioActor; fetches them once
# make test-wheel              build the wheel and run the tests against it, in an environment of its own
# make chaos                   a minute under fire: the whole service, and a thousand actors
# make bench [BENCH=name]      measure: the start, the HTTP path and the kernel, or what is named
# make docs                    write the tables of docs/ anew
#
# Every command is printed as it runs; without make, type the same ones.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
ARGS ?=
BENCH ?=

.PHONY: help run test check lint test-pykka test-wheel chaos bench docs

help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' Makefile

run: $(VENV)/.installed
	$(VENV)/bin/python run.py serve $(ARGS)

test: lint
	$(VENV)/bin/python -m pytest $(ARGS)

check: lint
	$(VENV)/bin/python -m pytest -q tests/docs

lint: $(VENV)/.installed-test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python
	$(VENV)/bin/lint-imports --no-logo

test-pykka: $(VENV)/.installed-test
	$(VENV)/bin/python -m tests.pykka.run_pykkas_tests $(ARGS)

test-wheel: $(VENV)/.installed-test
	$(VENV)/bin/python -m tests.wheel.run_against_wheel $(ARGS)

chaos: $(VENV)/.installed-test
	UNDYING_CHAOS_SECONDS=60 $(VENV)/bin/python -m pytest -q tests/chaos $(ARGS)

bench: $(VENV)/.installed-test
	for name in $(or $(BENCH),start http_path kernel); do echo "== $$name"; $(VENV)/bin/python benchmarks/$$name.py $(ARGS) || exit 1; done

docs: $(VENV)/.installed
	$(VENV)/bin/python docs/generate.py

# What was installed, and when: younger than pyproject.toml, it is up to date.
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install -q -e '.[test]'
	@touch $(VENV)/.installed $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
