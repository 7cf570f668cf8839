# smtpguard: what there is to run. `make demo` and `make test` set up everything they need in .venv.
#
#   make demo       a tour over real sockets: hold, notice, answer, expiry; with KEEP=1 it goes on for a mail program
#   make test       format, lint, types and every test that can run on this machine: on all cores, then end to end
#   make check      the quick part of it, under a minute: no end-to-end tests, no slow ones, fewer examples of what is
#                   random; many wait, so four at once
#   make e2e-deps   Debian, root: installs the servers that the end-to-end tests need
#   make bench      how fast smtpguard is beside Postfix; about five minutes, wants an idle machine (tests/bench)
#   make torture    faults, each many times, and what became of every mail; an hour and a half (tests/torture)
#   make lock       takes the newest versions of all that is needed into tests/locked.txt
#   make deb        a package for Debian 12, in dist/ (deploy/debian)
#   make audit      asks a database of known weaknesses about them
#   make corpus     measures on mail corpora, if SMTPGUARD_CORPORA names their folder

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# What the tests run with, to the octet.
LOCKED := tests/locked.txt
LOCK := $(VENV)-lock/bin/uv pip compile pyproject.toml --quiet --upgrade --universal --generate-hashes --python-version 3.11 \
	--custom-compile-command "make lock" --no-emit-index-url --extra fast --extra postgresql
PYTEST := $(BIN)/python -m pytest -q -p no:cacheprovider
# One more than there are processors: many tests wait, for a timeout or a child.
AT_ONCE := $(shell echo $$(($$(nproc) + 1)))
# Each worker reads all tests: what Python and pytest have compiled once is kept for the next, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check lint e2e-deps bench torture corpus lock audit deb clean

demo: $(READY)
	@$(BIN)/smtpguard demo $(if $(KEEP),--keep)

test: lint
	$(PYTEST) tests --ignore=tests/e2e -n $(AT_ONCE) --dist worksteal
	$(PYTEST) tests/e2e

check: lint
	$(PYTEST) tests --ignore=tests/e2e -m "not slow" --hypothesis-profile=quick -n 4 --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

e2e-deps:
	bash tests/e2e/dependencies.sh

bench: $(READY)
	$(BIN)/python -m tests.bench

torture: $(READY)
	$(BIN)/python -m tests.torture
	$(BIN)/python -m tests.torture --store postgresql

corpus: $(READY)
	$(BIN)/python tests/corpus/forwards.py
	$(BIN)/python tests/corpus/reposts.py
	$(BIN)/python tests/corpus/crossposts.py
	$(BIN)/python tests/corpus/copies.py
	$(BIN)/python tests/corpus/disclosures.py
	$(BIN)/python tests/corpus/torture.py

# A set-up that was cut off leaves no .ready and is done again, from the beginning: it may have been another Python's.
$(READY): pyproject.toml $(LOCKED)
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --require-hashes -r $(LOCKED)
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# The newest versions of everything, for all systems and Pythons, with their hashes.
lock:
	$(PYTHON) -m venv --clear $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) --extra dev -o $(LOCKED)
	$(LOCK) -o deploy/debian/locked.txt
	rm -rf $(VENV)-lock

deb: $(READY)
	@rm -rf build/deb && mkdir -p build/deb dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir build/deb . > /dev/null
	@bash deploy/debian/build.sh build/deb/*.whl dist

audit: $(READY)
	$(PYTHON) -m venv --clear $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit
	$(VENV)-audit/bin/pip-audit --strict --require-hashes --disable-pip -r $(LOCKED)
	rm -rf $(VENV)-audit

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
