# Everything runs in .venv, which is made on first use and kept until the packaging files change.
#
#   make demo    the whole chain over loopback (DEMO_SECONDS=n ends it by itself)
#   make test    the tests, in JOBS=2 processes (PYTEST_ARGS="tests/decode -x" to choose; JOBS=0 for one)
#   make bench   the benchmark table
#   make fuzz    atheris on every parser, JOBS at a time (FUZZ_RUNS=n each, 2 million if not told; FUZZ="ipfix sflow" to
#                choose, FUZZ="--minimise" to keep what it found)
#   make lint    ruff and mypy
#   make test-long   the tests that take minutes, too
#   make faults      kills, full disks, lying backends done to kproxy and kcollect (FAULTS="F1 F22 --seeds 2 --at-once 4")
#   make faults-short  each of those once and briefly, many at the same time
#   make faults-bgp  the same for kbgp (FAULTS="F24 --seeds 3" to choose); all of these need root
#   make screenshots  docs/images anew, from real daemons in a real browser (chromium)
#   make proto   what protoc generates from .proto files, anew
#   make wheel   dist/*.whl
#   make docs    the pages, build/docs/index.html
#   make deb     Debian packages with SBOM and checksums, dist/deb (SUITE=trixie for another release, as root)
#   make rpm     RPM packages, dist/rpm
#   make sbom    what the packages carry, as CycloneDX: dist/sbom.json
#   make requirements     packaging/requirements.txt anew: every library pinned by version and hashes
#   make packages-check   builds, lintian, piuparts, rpm, containers, Debian 13, two builds equal: minutes; needs root

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FUZZ_RUNS ?= 2000000
JOBS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

PACKAGES_PYTEST = $(BIN)/python -m pytest tests/packaging $(PYTEST_ARGS)

.PHONY: docs deb rpm sbom requirements packages-tools packages-check screenshots
.PHONY: demo test bench fuzz lint wheel docs-flags proto test-long faults faults-short faults-bgp clean
.DEFAULT_GOAL := test

$(READY): setup.py setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; name it: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip "setuptools>=66.1" wheel build
	@# setuptools warns of the editable mode that setup.cfg asks for; tests/packaging tell when it stops working.
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable ".[test,lint,docs]"
	@touch $@

demo: $(READY)
	@$(BIN)/python -m kproxy_tw.testing.demo

test: $(READY)
	$(PYTEST)

test-long: $(READY)
	KPROXY_TW_LONG=1 $(PYTEST)

faults: $(READY)
	@$(BIN)/python -m faults flows $(FAULTS)

faults-short: $(READY)
	@$(BIN)/python -m faults flows --short --seeds 1 --at-once 8

faults-bgp: $(READY)
	@$(BIN)/python -m faults bgp --seeds 10 $(FAULTS)

bench: $(READY)
	@$(BIN)/python -m bench

fuzz: $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[fuzz]"
	@$(BIN)/python -m tests.fuzzing --jobs $(JOBS) --runs $(FUZZ_RUNS) $(FUZZ)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel: $(READY)
	rm -rf build  # setuptools would pack what an older build left there
	$(BIN)/python -m build --quiet --wheel --outdir dist .

screenshots: $(READY)
	$(BIN)/python -m tests.browser.screenshots docs/images

docs-flags: $(READY)
	$(BIN)/python -m kproxy_tw.commands.reference docs/flags.rst
	$(BIN)/python -m kproxy_tw.commands.upgrade_page docs/upgrade-flags.rst

docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/docs

deb: sbom
	packaging/build_deb dist/deb $(SUITE)
	cp dist/sbom.json dist/deb && cd dist/deb && sha256sum sbom.json >> SHA256SUMS

rpm: sbom
	packaging/build_rpm dist/rpm
	cp dist/sbom.json dist/rpm && cd dist/rpm && sha256sum sbom.json >> SHA256SUMS

packages-tools: $(READY)
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --editable ".[packages]"

requirements: packages-tools
	CUSTOM_COMPILE_COMMAND="make requirements" $(BIN)/pip-compile --quiet --generate-hashes --strip-extras \
	    --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	    --output-file packaging/requirements.txt setup.py

sbom: packages-tools
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements --output-reproducible --of JSON -o dist/sbom.json packaging/requirements.txt

packages-check: packages-tools
	KPROXY_TW_LONG=1 $(PACKAGES_PYTEST)

proto: $(READY)
	$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. kproxy_tw/bgp/proto/ktbgp.proto

clean:
	rm -rf $(VENV) build dist *.egg-info
