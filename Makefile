# Laennec. `make` alone explains itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
RECIPE ?= edge
RUN ?= runs/$(if $(filter edge,$(RECIPE)),default,$(RECIPE)$(if $(TASK),-$(TASK)))
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LAENNEC := $(BIN)/laennec

.DEFAULT_GOAL := help
.PHONY: help demo test test-aarch64 test-gpu check format bench data-check data-download train export model clean edge dev evaluate results firmware-test \
	deploy rollback status logs undeploy

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: edge ## hear a synthetic recording through the real detector and a real broker (FAST=1: not in real time)
	@$(LAENNEC) demo $(if $(FAST),--fast)

test: dev ## everything that can be tested on this machine
	@LAENNEC_DATA="$(DATA)" $(BIN)/python -m pytest $(ARGS)

test-aarch64: dev ## the wheelhouse for 64-bit ARM, installed and heard from under emulation; slow (ARGS="--mirror ... --seconds 56")
	@$(BIN)/python -m deploy.aarch64 $(ARGS)

test-gpu: $(VENV)-gpu/.gpu ## build every variant on this machine's NVIDIA GPU (Jetson or PC), compare, time: runs/gpu-report.json
	@LAENNEC_GPU=required $(VENV)-gpu/bin/python -m pytest tests/gpu -m gpu --durations 5 $(ARGS)

check: dev ## style, types, format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: dev ## write code in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

firmware-test: ## auslink.h on emulated Cortex-M0, M3, M4 and M33: the host's bytes, instructions per sample
	@$(MAKE) --no-print-directory -C firmware_bridge/cortexm BUILD="$(abspath build)/cortexm"

bench: dev ## ratios against peers, on this machine, now
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks

data-check: dev ## what lies under DATA: counts per class, patient and split, against what was published (ARGS=--decode)
	@$(BIN)/python -m training.datasets check "$(DATA)" $(ARGS)

data-download: dev ## where the public data sets come from; NAME=one fetches it into DATA
	@$(BIN)/python -m training.datasets $(if $(NAME),download "$(NAME)" --to "$(DATA)",list)

train: dev ## train the edge's model (two cores: under 90 minutes), or RECIPE=ngo2022|ngo2023|patchmix|qlung|hear TASK=1-2 (ARGS="--epochs 2")
	@$(BIN)/python -m training --recipe "$(RECIPE)" $(if $(TASK),--task "$(TASK)") --data "$(DATA)" --out "$(RUN)" $(ARGS)
	$(if $(filter edge,$(RECIPE)),@$(BIN)/python -m export --checkpoint "$(RUN)" --out "$(RUN)/model.onnx")

evaluate: dev ## judge a model by the official scores and on streams: make evaluate MODEL=... DATA=... TASK=all
	@$(BIN)/python -m training.evaluation --data "$(DATA)" $(if $(MODEL),--model "$(MODEL)") $(if $(TASK),--task "$(TASK)") $(if $(OUT),--out "$(OUT)") $(ARGS)

results: dev ## one page of all runs and evaluations beside published numbers: make results RUNS=runs EVALUATIONS=... ARTEFACTS=...
	@$(BIN)/python -m training.results --runs $(or $(RUNS),runs) $(if $(EVALUATIONS),--evaluations $(EVALUATIONS)) $(if $(ARTEFACTS),--artefacts $(ARTEFACTS)) $(if $(OUT),--out "$(OUT)") $(ARGS)

export: dev ## a finished training as artefacts for the edge, proved equal: make export CHECKPOINT=runs/default (OUT=, DATA=, WITHOUT=)
	@$(BIN)/python -m export --checkpoint "$(or $(CHECKPOINT),$(RUN))" --data "$(DATA)" $(if $(OUT),--out "$(OUT)") $(if $(WITHOUT),--without $(WITHOUT)) $(ARGS)

# Only what stands on the command line of make: PORT, HOST and ROOT mean other things in many an environment.
given = $(if $(filter command,$(origin $(1))),$(2) "$($(1))")
box = --device "$(if $(filter command,$(origin DEVICE)),$(DEVICE))" $(call given,HOST,--host) $(call given,PORT,--port) \
	$(call given,ROOT,--root) $(call given,SSH_OPTIONS,--ssh-options)

deploy: ## install on a box and switch to it if it is healthy: DEVICE=jetson|rpi|x86|local HOST=user@box (CONFIG=ward.yaml MODEL=a.onnx PORT=22 ROOT=/a/folder)
	@$(PYTHON) -m deploy install $(box) $(call given,CONFIG,--config) $(call given,MODEL,--model) $(call given,HEALTHY_S,--healthy-s) \
		$(if $(filter command,$(origin ARGS)),$(ARGS))

rollback: ## back to the release before: DEVICE=... HOST=... (RELEASE=one)
	@$(PYTHON) -m deploy rollback $(box) $(call given,RELEASE,--release) $(call given,HEALTHY_S,--healthy-s)

status: ## what runs on a box: DEVICE=... HOST=...
	@$(PYTHON) -m deploy status $(box)

logs: ## what it said last: DEVICE=... HOST=... (LINES=100)
	@$(PYTHON) -m deploy logs $(box) $(call given,LINES,--lines)

undeploy: ## remove it from a box; settings and events stay (PURGE=1: they go too)
	@$(PYTHON) -m deploy undeploy $(box) $(if $(filter command,$(origin PURGE)),--purge)

clean: ## remove what make made, but no trained model
	rm -rf $(VENV) $(VENV)-gpu build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The machine's own TensorRT is seen; torch is not needed.
$(VENV)-gpu/.gpu: pyproject.toml constraints.txt
	@$(PYTHON) -m venv --system-site-packages $(VENV)-gpu
	@$(VENV)-gpu/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt -e . "pytest>=8"
	@touch $@

edge: $(VENV)/.edge
dev: $(VENV)/.dev

$(VENV)/.edge: pyproject.toml constraints.txt
	@deploy/install edge "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.dev: $(VENV)/.edge
	@deploy/install dev "$(PYTHON)" "$(VENV)"
	@touch $@
