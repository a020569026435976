# Laennec. `make` alone explains itself.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
RECIPE ?= edge
CORES := $(shell nproc 2>/dev/null || echo 1)
JOBS ?=
RUN ?= runs/$(if $(filter edge,$(RECIPE)),default,$(RECIPE)$(if $(TASK),-$(TASK)))
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LAENNEC := $(BIN)/laennec

# Bytecode is kept, or each of hundreds of programs that tests start would compile what it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-rest coverage test-aarch64 test-gpu mutants check format bench data-check data-download train export dist clean edge dev evaluate results firmware-test \
	deploy configure model credentials rollback status logs undeploy

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

demo: edge ## play a synthetic recording through the detector and an MQTT broker, and show its events (FAST=1: not in real time; MANIKIN=1: a manikin instead; BOARD=1: a ward in the browser)
	@[ -z "$(BOARD)" ] || $(BIN)/python -c "import argon2, starlette, uvicorn" 2>/dev/null || $(PIP) install --only-binary=:all: -c constraints.txt argon2-cffi starlette uvicorn
	@$(LAENNEC) demo $(if $(FAST),--fast) $(if $(MANIKIN),--manikin) $(if $(BOARD),--board)

test: dev ## run the tests that tell most in a few minutes, one process for each core (ARGS="tests/edge -k gap", JOBS=0: in one process)
	@LAENNEC_DATA="$(DATA)" $(BIN)/python -m pytest $(call parallel,$(CORES)) -m "not rest" $(ARGS)

test-rest: dev ## run all other tests, two processes for each core; as root or with sudo, install the Debian packages that they need
	@deploy/venv rest "$(PYTHON)" "$(VENV)"
	@LAENNEC_DATA="$(DATA)" $(BIN)/python -m pytest $(call parallel,$(twice)) -m rest $(ARGS)

coverage: dev ## run all tests and list the lines and branches that none of them reaches (ARGS="tests/edge")
	@rm -f build/coverage/*
	@LAENNEC_DATA="$(DATA)" $(BIN)/python -m coverage run -m pytest $(call parallel,$(twice)) $(ARGS)
	@$(BIN)/python -m coverage combine --quiet && $(BIN)/python -m coverage report

# The tests of a file run in one process, in their order: what they share is made once. Tests of whole programs often
# wait, so there are more processes than cores; they begin first, lest one of minutes be the last that is left.
twice = $(shell echo $$((2 * $(CORES))))
parallel = -n $(or $(JOBS),$(1)) --dist loadfile --no-loadscope-reorder

test-aarch64: dev ## install the 64-bit ARM wheels under emulation and compare the events with this machine's; slow (ARGS="--mirror ... --seconds 56")
	@$(BIN)/python -m tests.system.aarch64 $(ARGS)

test-gpu: $(VENV)-gpu/.gpu ## test TensorRT on this machine's NVIDIA GPU (Jetson or PC): build, compare, time; writes runs/gpu-batches-*.json
	@LAENNEC_GPU=required $(VENV)-gpu/bin/python -m pytest tests/gpu -m gpu --durations 5 $(ARGS)

mutants: dev ## list the changes of the code that no test notices; minutes for a module (ONLY="tracker chunks", ARGS="--jobs 1")
	@$(BIN)/python -c "import mutmut" 2>/dev/null || $(PIP) install -c constraints.txt mutmut==3.8.1
	@nice -n 19 $(BIN)/python -m tests.mutants $(ONLY) $(ARGS)

check: dev ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

firmware-test: ## run auslink.h on emulated Cortex-M0, M3, M4 and M33: same bytes as on the host, instructions per sample
	@$(MAKE) --no-print-directory -C firmware_bridge/cortexm BUILD="$(abspath build)/cortexm"

bench: dev ## time the front-ends against other libraries, and the whole detector, on this machine
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.benchmarks

data-check: dev ## count the recordings under DATA by class, patient and split, and compare with what was published (ARGS=--decode)
	@$(BIN)/python -m training.datasets check "$(DATA)" $(ARGS) || [ $$? -eq 1 ]  # damaged or missing: its last line says so

data-download: dev ## list the public data sets; NAME=one downloads it into DATA
	@$(BIN)/python -m training.datasets $(if $(NAME),download "$(NAME)" --to "$(DATA)",list)

train: dev ## train the detector (under 90 minutes on two cores where bf16 is fast), or RECIPE=ngo2022|ngo2023|patchmix|qlung|hear TASK=1-2 (a trial of minutes: RUN=runs/trial ARGS="--limit 100 --epochs 1")
	@$(BIN)/python -m training --recipe "$(RECIPE)" $(if $(TASK),--task "$(TASK)") --data "$(DATA)" --out "$(RUN)" $(ARGS)
	$(if $(filter edge,$(RECIPE)),@$(BIN)/python -m export --checkpoint "$(RUN)" --out "$(RUN)/model.onnx")

evaluate: dev ## score a model on the official tasks and on streams: MODEL=... DATA=... TASK=all (a look: ARGS="--limit 20")
	@$(BIN)/python -m training.evaluation --data "$(DATA)" $(if $(MODEL),--model "$(MODEL)") $(if $(TASK),--task "$(TASK)") $(if $(OUT),--out "$(OUT)") $(ARGS)

results: dev ## write one page of all runs and evaluations beside the published numbers: RUNS=runs EVALUATIONS=... ARTEFACTS=...
	@$(BIN)/python -m training.results --runs $(or $(RUNS),runs) $(if $(EVALUATIONS),--evaluations $(EVALUATIONS)) $(if $(ARTEFACTS),--artefacts $(ARTEFACTS)) $(if $(OUT),--out "$(OUT)") $(ARGS)

export: dev ## turn a finished training into ONNX models for the device, each compared with it: CHECKPOINT=runs/default (OUT=, DATA=, WITHOUT=)
	@$(BIN)/python -m export --checkpoint "$(or $(CHECKPOINT),$(RUN))" --data "$(DATA)" $(if $(OUT),--out "$(OUT)") $(if $(WITHOUT),--without $(WITHOUT)) $(ARGS)

# Only what stands on the command line of make: PORT, HOST and ROOT mean other things in many an environment.
given = $(if $(filter command,$(origin $(1))),$(2) "$($(1))")
box = --device "$(if $(filter command,$(origin DEVICE)),$(DEVICE))" $(call given,HOST,--host) $(call given,PORT,--port) \
	$(call given,ROOT,--root) $(call given,SSH_OPTIONS,--ssh-options)

switch = $(call given,HEALTHY_S,--healthy-s) $(call given,KEEP,--keep)
# One box, or with FLEET=fleet.yaml all that it names: deploy/FLEET.md.
of_one_box = DEVICE HOST PORT ROOT SSH_OPTIONS CONFIG BOARD MODEL FILES SIGN KEEP HEALTHY_S FORCE RELEASE ARGS
beside_fleet = $(firstword $(foreach name,$(of_one_box),$(if $(filter command,$(origin $(name))),$(name))))
fleet = $(if $(beside_fleet),$(error $(beside_fleet)= is of one box and would be ignored beside FLEET=; leave it out: what each box is to be stands in $(FLEET)))$(PYTHON) -m deploy fleet $(1) --fleet "$(FLEET)" $(call given,ONLY,--only)
has_fleet = $(if $(filter command,$(origin FLEET)),$(FLEET))

deploy: ## install on a box, and go back if it is not healthy: DEVICE=jetson|rpi|x86|local HOST=user@box (CONFIG=ward.yaml BOARD=board.yaml MODEL=a.onnx SIGN=key.pem PORT=22 ROOT=/a/folder FORCE=1), or on many: FLEET=fleet.yaml
	@$(if $(has_fleet),$(call fleet,deploy),$(PYTHON) -m deploy install $(box) $(call given,CONFIG,--config) $(call given,BOARD,--board) \
		$(call given,MODEL,--model) $(call given,SIGN,--sign) $(switch) \
		$(if $(filter command,$(origin FORCE)),--force) $(if $(filter command,$(origin ARGS)),$(ARGS)))

configure: ## change the settings alone, in seconds, and go back if it is not healthy: DEVICE=... HOST=... CONFIG=ward.yaml, or FLEET=fleet.yaml
	@$(if $(has_fleet),$(call fleet,configure),$(PYTHON) -m deploy configure $(box) $(call given,CONFIG,--config) $(switch))

model: ## change the model alone, likewise: DEVICE=... HOST=... MODEL=bed.model (or an id, or bundled), or FLEET=fleet.yaml
	@$(if $(has_fleet),$(call fleet,model),$(PYTHON) -m deploy model $(box) $(call given,MODEL,--model) $(switch))

credentials: ## bring passwords, keys and certificates to /etc/laennec: DEVICE=... HOST=... FILES="mqtt-password=PATH ca.pem=PATH", or FLEET=fleet.yaml
	@$(if $(has_fleet),$(call fleet,credentials),$(PYTHON) -m deploy credentials $(box) $(if $(filter command,$(origin FILES)),$(FILES:%=--file "%")))

rollback: ## go back to the release before: DEVICE=... HOST=... (RELEASE=one), or FLEET=fleet.yaml
	@$(if $(has_fleet),$(call fleet,rollback),$(PYTHON) -m deploy rollback $(box) $(call given,RELEASE,--release) $(switch))

status: ## show what runs on a box: DEVICE=... HOST=... (ARGS=--json), or a table of FLEET=fleet.yaml
	@$(if $(has_fleet),$(call fleet,status),$(PYTHON) -m deploy status $(box) $(if $(filter command,$(origin ARGS)),$(ARGS)))

logs: ## show the last lines of its log: DEVICE=... HOST=... (LINES=100)
	@$(PYTHON) -m deploy logs $(box) $(call given,LINES,--lines)

undeploy: ## remove it from a box; settings and events stay unless PURGE=1
	@$(PYTHON) -m deploy undeploy $(box) $(if $(filter command,$(origin PURGE)),--purge)

dist: dev ## build what is published of a release into dist/: wheel, source, add-on of Home Assistant, Arduino library, list of parts, checksums; an image where docker or podman answers
	@$(BIN)/python -m deploy.dist $(ARGS)

clean: ## remove what make built; trained models stay
	rm -rf $(VENV) $(VENV)-gpu build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

# The machine's own TensorRT is seen; torch is not needed.
$(VENV)-gpu/.gpu: pyproject.toml constraints.txt
	@$(PYTHON) -m venv --system-site-packages $(VENV)-gpu
	@$(VENV)-gpu/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt -e . "pytest>=8"
	@touch $@

edge: $(VENV)/.edge
dev: $(VENV)/.dev

.PHONY: workstation
bench data-check data-download train evaluate results export: workstation
workstation: dev # ends with one line on a Python that is too old to train with
	@$(BIN)/python -c "import training.python_version"

$(VENV)/.edge: pyproject.toml constraints.txt
	@deploy/venv edge "$(PYTHON)" "$(VENV)"
	@touch $@

$(VENV)/.dev: $(VENV)/.edge
	@deploy/venv dev "$(PYTHON)" "$(VENV)"
	@touch $@
