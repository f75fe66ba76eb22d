# The only door: every task of this project is a target here.

# Which Python makes the environment: empty for the first on the PATH that is new enough.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
IMAGE ?= calico-dcos
DEMO_ARGS ?=
CHAOS_ARGS ?=

.PHONY: screenshots help demo test nightly chaos check format e2e bench docs image package lock packages clean

help:
	@echo 'make demo     walk a simulated cluster on this machine   (DEMO_ARGS="--agents 10 --once")'
	@echo 'make test     every test that this machine can run; as root on Debian it installs what tests need'
	@echo 'make nightly  10,000 stories of a cluster in which everything goes wrong, other ones each time'
	@echo 'make check    lint, types, imports between layers'
	@echo 'make e2e      the tests on hosts with real systemd and Docker (root, Debian)'
	@echo 'make chaos    a walk of 20 agents during which everything is killed   (CHAOS_ARGS="--seed 7 --seconds 600")'
	@echo 'make bench    speed and memory, as ratios measured in one run; up to 10,000 agents, ten minutes'
	@echo 'make screenshots  pictures of the page for the docs'
	@echo 'make docs     write anew what follows from the table of settings: options in universe/, pages in docs/'
	@echo 'make image    the Docker image of the scheduler          (IMAGE=calico-dcos BASE_IMAGE= BUNDLE=release)'
	@echo 'make package  a local Universe with the package, in build/                   (IMAGE=registry/name:tag)'
	@echo 'make lock     pins anew what the image installs'

$(VENV)/.ready: setup.py third_party/http-parser/setup.py $(wildcard third_party/http-parser/http_parser/*.py)
	@tests/install-packages venv
	@python=$${PYTHON:-$$(tests/find-python)} && echo "sets up $(VENV) with $$python" && \
		$$python -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check ./third_party/http-parser
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/.ready
	@$(BIN)/calico-dcos demo $(DEMO_ARGS)

test: $(VENV)/.ready packages
	CALICO_DCOS_HYPOTHESIS=thorough $(BIN)/pytest tests/unit tests/contract tests/chaos tests/page tests/e2e

nightly: $(VENV)/.ready
	CALICO_DCOS_HYPOTHESIS=nightly $(BIN)/pytest tests/unit/test_storm.py

packages:
	@tests/install-packages test

e2e: $(VENV)/.ready packages chaos
	$(BIN)/pytest tests/e2e

chaos: $(VENV)/.ready packages
	$(BIN)/python -m tests.chaos $(CHAOS_ARGS)
	$(BIN)/python -m tests.chaos --agents 20 --seconds 0 --kills 100 --store sqlite
	$(BIN)/python -m tests.chaos --agents 6 --seconds 60 --store sqlite

bench: $(VENV)/.ready
	$(BIN)/python -m tests.bench

check: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.ready
	$(BIN)/ruff format .

screenshots: $(VENV)/.ready packages
	CALICO_SCREENSHOTS=docs/images $(BIN)/pytest tests/page/test_page_manners.py tests/page/test_page_preflight.py -k pictures

docs: $(VENV)/.ready
	@$(BIN)/python -m calico_dcos.package

image:
	docker build --tag $(IMAGE) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
		$(if $(BUNDLE),--build-arg BUNDLE="$(BUNDLE)") --build-arg REVISION=$$(git rev-parse HEAD) .

package: $(VENV)/.ready
	@$(BIN)/calico-dcos package-build build $(if $(filter-out calico-dcos,$(IMAGE)),--image $(IMAGE))

lock:
	@PYTHON=$${PYTHON:-$$(tests/find-python)} requirements/lock

clean:
	rm -rf $(VENV) build *.egg-info
