# Everything a developer types. `make help` lists it; the two that matter are `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready
CLUSTER := $(BIN)/python -m egress_cluster
# Test processes: more than cores, for most tests wait for a program of ours.
JOBS ?= 3
PYTEST = $(BIN)/python -m pytest -q -n $(JOBS)
SOURCES := crds gateway operator recorder-image charts cluster docs tests bench soak

.PHONY: help demo demo-web test test-fast lint tools npm unit api e2e faults player bench bench-control-plane soak up deploy down env generate clean
.NOTPARALLEL:  # with -j the tiers would share two cores and the first failure would stand anywhere

help:  ## what there is
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/; s/\$$\$$/$$/g' | expand -t 21

demo: $(READY)  ## from nothing to a recording: cluster, chart, two publishers, REST calls, HLS
	@examples/demo.sh

demo-web: $(READY)  ## the same for a web page, which the cluster itself serves
	@examples/demo-web.sh

test: lint unit api e2e  ## everything, on a real node with real media
	@:

test-fast: lint unit api  ## everything but the node
	@:

lint: $(READY)  ## style, types, layers
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check --quiet $(SOURCES)
	@$(BIN)/mypy
	@PYTHONPATH=crds:gateway:operator:recorder-image:cluster $(BIN)/lint-imports --no-cache >/dev/null || PYTHONPATH=crds:gateway:operator:recorder-image:cluster $(BIN)/lint-imports --no-cache
	@$(BIN)/python -m egress_api.crdgen --check

# What the tests call and the machine may lack: a build takes minutes and tells of its progress here, not inside a test.
tools: npm
	@$(CLUSTER) build-tools kube helm kubeconform promtool versitygw >/dev/null
	@PYTHONPATH=tests $(BIN)/python -m support.azurite_server >/dev/null

unit: tools  ## no cluster, no node
	@$(PYTEST) tests/unit --dist worksteal

api: tools  ## against a real kube-apiserver and etcd
	@$(PYTEST) tests/api --dist loadfile

e2e: player  ## on the node, with real media
	@$(CLUSTER) deploy
	@$(BIN)/python -m pytest tests/e2e -q

faults: player  ## of these, the table of faults (docs/recordings.md) and a player's view of what is left
	@$(CLUSTER) deploy
	@$(BIN)/python -m pytest tests/e2e -q -m faults

player: npm
	@PYTHONPATH=tests $(BIN)/python -m support.playback >/dev/null

npm: $(READY)
	@command -v npm >/dev/null || { \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "install this first: npm (it fetches the player and the Azure emulator)" >&2; exit 1; }; \
	  echo "installing npm" >&2; DEBIAN_FRONTEND=noninteractive apt-get update -qq >&2; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >&2; }

bench: $(READY)  ## start latency, CPU and memory of a recording, and what faults cost it
	@$(CLUSTER) deploy
	@$(BIN)/python -m bench

# Needs no node: kwok plays them. COUNTS, HELD and KEPT make it smaller: make bench-control-plane COUNTS=30 HELD=30 KEPT=200
bench-control-plane: $(READY)  ## gateway and operator against the Job controller: rate, calls, CPU, memory
	@$(CLUSTER) build-tools kube kwok helm >/dev/null
	@$(BIN)/python -m bench.control_plane $(if $(COUNTS),--counts $(COUNTS)) $(if $(HELD),--held $(HELD)) $(if $(KEPT),--kept $(KEPT))

soak: $(READY)  ## what takes hours, beside whatever runs (PART=outage, drift or long; all: 2.5 hours)
	@$(BIN)/python -m soak $(PART) --write

up: $(READY)  ## the kind cluster with the demo's S3 and RTC servers
	@$(CLUSTER) up

deploy: $(READY)  ## the chart from this checkout, installed in the kind cluster
	@$(CLUSTER) deploy

down: $(READY)  ## take the cluster away; what was built stays in the cache
	@$(CLUSTER) down

env: $(READY)  ## eval "$$(make -s env)" makes kubectl, helm and docker reach the cluster
	@$(CLUSTER) env

generate: $(READY)  ## the files that are generated from code
	@$(BIN)/python -m egress_api.crdgen
	@cp crds/egresstasks.yaml charts/egress-operator/files/egresstasks.yaml
	@$(BIN)/python charts/generate_docs.py
	@$(BIN)/python charts/generate_dashboard.py
	@$(BIN)/python docs/generate_alerts.py
	@$(BIN)/python docs/generate_operator.py
	@$(BIN)/python docs/generate_rest.py
	@$(BIN)/python docs/generate_openapi.py
	@PYTHONPATH=tests $(BIN)/python docs/generate_faults.py

clean:  ## the virtual environment and caches in the checkout
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-output

# Nothing on stdout: `eval "$(make -s env)"` may be what sets it up.
$(READY): pyproject.toml constraints.txt
	@echo "setting up .venv" >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@missing=; for program in ffmpeg ffprobe curl jq openssl; do command -v $$program >/dev/null || missing+=" $$program"; done; \
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null || missing+=" python3-venv"; \
	  if [ -n "$$missing" ]; then \
	    [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "install these first:$$missing" >&2; exit 1; }; \
	    echo "installing$$missing" >&2; export DEBIAN_FRONTEND=noninteractive; apt-get update -qq >&2; \
	    apt-get install -y -qq --no-install-recommends ffmpeg curl jq openssl python3-venv >&2; \
	  fi
	@$(BIN)/python -c 'import pip' 2>/dev/null || { rm -rf .venv; $(PYTHON) -m venv .venv; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@
