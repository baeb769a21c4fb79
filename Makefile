# `make` shows the verbs. Everything happens in .venv; nothing outside the project is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo run test lint faults systemd mutants bench sbom audit clean
.DEFAULT_GOAL := help

help: ## show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(VENV)/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test,dev]'
	touch $@

demo: $(VENV)/installed ## write a whole book offline: brief in, EPUB out
	$(BIN)/bookbot-worker demo $(ARGS)

# honcho kills 5 seconds after Ctrl-C; the worker must have given its jobs back by then.
run: $(VENV)/installed-test ## start web and worker together (Procfile)
	$(BIN)/bookbot-worker db upgrade
	BOOKBOT_DRAIN_SECONDS=$${BOOKBOT_DRAIN_SECONDS:-2} PATH="$(abspath $(BIN)):$$PATH" $(BIN)/honcho start -p 8000

lint: $(VENV)/installed-test ## style, types and import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## the whole suite, on SQLite and a real PostgreSQL
	$(BIN)/pytest $(ARGS)

faults: $(VENV)/installed-test ## every fault case, also those that take minutes; ARGS="--seed N" replays one
	$(BIN)/pytest tests/faults --all-faults --timeout 1200 $(ARGS)

systemd: $(VENV)/installed-test ## boot a real systemd and try the units in it; as root, with systemd-container
	$(BIN)/pytest tests/acceptance/test_systemd_boot.py tests/acceptance/test_systemd_outages.py --systemd --timeout 300 -n 0 $(ARGS)

mutants: $(VENV)/installed-test ## remove each guard in turn and see its test fail
	$(BIN)/python -m tests.mutants.run $(ARGS)

$(VENV)/installed-bench: $(VENV)/installed-test
	$(BIN)/pip install --quiet -c constraints.txt -e '.[bench]'
	touch $@

bench: $(VENV)/installed-bench ## how fast it is, beside its peers and pgbench; ARGS="--case noop --quick"
	$(BIN)/python -m benchmarks $(ARGS)

# The tool has an environment of its own: what it brings is no part of what it lists.
sbom: ## write sbom.json: what an installation holds, as CycloneDX
	$(PYTHON) -m venv --clear build/sbom/tool
	build/sbom/tool/bin/pip install --quiet cyclonedx-bom==7.5.0
	$(PYTHON) -m venv --clear build/sbom/runtime
	build/sbom/runtime/bin/pip install --quiet -c constraints.txt .
	build/sbom/runtime/bin/pip uninstall --quiet --yes pip setuptools
	build/sbom/tool/bin/cyclonedx-py environment --output-reproducible -o sbom.json build/sbom/runtime/bin/python

# Strict: a package the service does not know, or cannot be asked about, is not a clean one.
audit: ## ask the public database of vulnerabilities about every pin of constraints.txt; needs the network
	$(PYTHON) -m venv --clear build/audit
	build/audit/bin/pip install --quiet pip-audit==2.10.1
	build/audit/bin/pip-audit --strict --no-deps --disable-pip --progress-spinner off -r constraints.txt

clean: ## remove the virtual environment and what the demo wrote
	rm -rf $(VENV) bookbot-demo build *.egg-info
