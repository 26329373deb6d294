# Everything runs in .venv, which is made on first use and kept until the packaging files change.
#
#   make demo    the whole chain over loopback (DEMO_SECONDS=n ends it by itself)
#   make test    the tests (PYTEST_ARGS="tests/decode -x" to choose)
#   make bench   the benchmark table
#   make fuzz    atheris on every parser (FUZZ_RUNS=n each, 2 million if not told; FUZZ="ipfix sflow" to choose)
#   make lint    ruff and mypy
#   make wheel   dist/*.whl

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FUZZ_RUNS ?= 2000000

.PHONY: demo test bench fuzz lint wheel docs-flags clean
.DEFAULT_GOAL := test

$(READY): setup.py setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name it: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip "setuptools>=66.1" wheel build
	@# setuptools warns of the editable mode that setup.cfg asks for; tests/packaging tell when it stops working.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable ".[test,lint]"
	@touch $@

demo: $(READY)
	@$(BIN)/python -m kproxy_tw.testing.demo

test: $(READY)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

bench: $(READY)
	@$(BIN)/python -m bench

fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[fuzz]"
	@$(BIN)/python -m tests.fuzzing $(FUZZ_RUNS) $(FUZZ)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(READY)
	rm -rf build  # setuptools would pack what an older build left there
	$(BIN)/python -m build --quiet --wheel --outdir dist .

docs-flags: $(READY)
	$(BIN)/python -m kproxy_tw.commands.reference docs/flags.rst

clean:
	rm -rf $(VENV) build dist *.egg-info
