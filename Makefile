# Every target works on a fresh clone. `make demo` and `make test` are the two commands to know.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PLUGINS := plugins/basic-test plugins/confidential-workflows plugins/consensus plugins/cron-trigger plugins/http-actions plugins/http-trigger plugins/kvstore plugins/vault plugins/workspace
UVPIP  := $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode
# pip trusts the certificates of the machine; uv does so when it is told.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS ?= true
endif
SOURCES := daemon plugins migrations tests bench tools examples

.PHONY: help demo test check fmt proto bench bench-peers nightly dist lock sbom guests clean docs runtime dev

help:
	@echo "make demo    run one plain and one confidential workflow, end to end"
	@echo "make test    install what tests need and run them all"
	@echo "make check   ruff, mypy --strict, buf lint, tidy test, the documentation site"
	@echo "make docs    the documentation site"
	@echo "make bench   side-by-side benchmarks, printed as ratios"
	@echo "make nightly one table of what is promised and what was measured; takes hours"
	@echo "make dist    wheels of strongroom and its plugins in dist/"
	@echo "make fmt | proto | guests | lock | sbom | clean"

# One line that says what is missing, and the one line that brings it.
$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "strongroom needs Python 3.11 or newer: apt-get install -y python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "strongroom needs Python 3.11 or newer, this is $$($(PYTHON) -V): make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: apt-get install -y python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) could not make $(VENV): its own words are above" >&2; exit 1; }

$(VENV)/.uv: requirements/uv.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.runtime: requirements/runtime.txt pyproject.toml $(PLUGINS:%=%/pyproject.toml) $(VENV)/.uv
	$(UVPIP) --require-hashes -r requirements/runtime.txt
	$(UVPIP) --no-deps --no-build-isolation -e . $(PLUGINS:%=-e %)
	@$(BIN)/python -m compileall -q daemon/strongroom $(PLUGINS:%=%/src)
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	$(UVPIP) --require-hashes -r requirements/dev.txt
	@touch $@

runtime: $(VENV)/.runtime
dev: $(VENV)/.dev

demo: runtime
	@$(BIN)/strongroom demo

# A worker more than two cores have, because many tests wait for processes and clocks. A file stays with one worker, and
# files come in the order of tests/conftest.py, long ones first. The paths of sockets must be short. What is compiled is
# kept, whatever the shell says of bytecode: else every worker and every program that a test starts compiles all anew. A
# few that failed are run once more, alone, to tell a race from what is broken: tools/second_look.py.
TEST_WORKERS ?= 3
test: dev
	@base=$$(mktemp -d /tmp/sr.XXXXXX); trap 'rm -rf "$$base"' EXIT; \
	export PYTHONDONTWRITEBYTECODE=; status=0; \
	$(BIN)/python -m pytest --cache-clear -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder --basetemp="$$base/t" || status=$$?; \
	((status == 0)) || $(BIN)/python -m tools.second_look $$status --basetemp="$$base/s"

check: dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/buf lint
	$(BIN)/python -m pytest -q tests/test_tidy.py
	@$(MAKE) --no-print-directory docs

# The documentation site, in .cache/site. A warning ends it: a page that nothing leads to, a link that leads nowhere. The
# variable keeps the theme from advertising its successor.
docs: dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "the documentation site is in .cache/site"

fmt: dev
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

proto: dev
	$(BIN)/python tools/generate_protobuf.py

guests: dev
	$(BIN)/python tools/build_guests.py

bench: dev
	@$(BIN)/python -m bench

# The promises at the scale of a release, in one table: about six hours. Parts of it: python -m tools.nightly --help.
nightly: dev
	@$(BIN)/python -m tools.nightly

# Programs that the benchmarks run beside strongroom, where npm is there to bring them. Nothing of them is shipped.
PEERS := .cache/bench-peers
bench-peers: dev
	mkdir -p $(PEERS)
	cp bench/peers/package.json bench/peers/package-lock.json bench/peers/.npmrc $(PEERS)/
	cd $(PEERS) && npm ci --silent
	$(BIN)/uv venv --quiet --clear $(PEERS)/venv
	$(BIN)/uv pip install --quiet --python $(PEERS)/venv/bin/python --require-hashes -r requirements/bench.txt

dist: runtime
	@$(BIN)/python tools/build_wheels.py dist

lock: $(VENV)/.uv
	for name in uv runtime dev bench; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
	    requirements/$$name.in -o requirements/$$name.txt; done
	@echo "now: make sbom, once the new versions are installed"

# The bill of materials of what requirements/runtime.txt locks.
sbom: dev
	$(BIN)/python tools/generate_sbom.py

clean:
	rm -rf $(VENV) .cache dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
