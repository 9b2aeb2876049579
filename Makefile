# `make demo` and `make test` need Python 3.11+, make and a package index; they set up everything else in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := .uv/bin/uv
BNSTUDY := $(BIN)/bnstudy
# A misspelt variable would be ignored in silence.
SPACE := $() $()
GIVEN := $(foreach word,$(subst \$(SPACE),_,$(MAKEOVERRIDES)),$(firstword $(subst =, ,$(word))))
VARIABLES := PYTHON WHERE SEEDS YES FRESH WITH STUDY CPU OMP_NUM_THREADS QUIET UV VENV
$(if $(filter-out $(VARIABLES),$(GIVEN)),$(error make: there is no variable $(filter-out $(VARIABLES),$(GIVEN)); there are $(VARIABLES)))
# FRESH=0 and YES=no are off.
on = $(filter-out 0 no false off,$(1))
export PATH := $(CURDIR)/$(BIN):$(PATH)
export OMP_NUM_THREADS ?= 1
WHERE ?=
SEEDS ?=
YES ?=
# FRESH=1 trains and times again what has results; WITH names further studies, such as "extras readings practicals"
FRESH ?=
WITH ?=
# uv's progress where somebody is looking
QUIET := $(shell test -t 2 || echo --quiet)
STUDY ?= thesis
# CPU=1: torch for the CPU alone, under 1 GB. Once it is in .venv, later calls keep it; `make clean` ends that.
CPU ?= $(if $(wildcard $(VENV)/cpu.lock),1)
PIP = $(UV) pip install $(QUIET) --python $(BIN)/python --compile-bytecode

define LOCKED_BUILD
@echo "Installing requirements.lock into $(VENV): once, a minute or more, several GB with the CUDA libraries of Linux (CPU=1: without)"
	$(UV) pip sync $(QUIET) --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
endef

define CPU_BUILD
@echo "Installing into $(VENV), once: requirements.lock, and PyTorch for the CPU, whose files the lock has no hashes of"
	@$(PIP) --no-deps --torch-backend cpu $$(awk '/^torch(vision)?==/ { print $$1 }' requirements.lock) || \
	{ rm $(VENV)/cpu.lock; echo "PyTorch for the CPU could not be installed: uv takes it from PyTorch's own index." \
	"Without CPU=1 the build with CUDA libraries is installed, from the usual index."; exit 1; } >&2
	$(PIP) --no-deps --require-hashes -r $(VENV)/cpu.lock
endef

TRUSTED := disk lock small_json results.digests results.store results.record studies.config
TRUSTED_TESTS := $(addprefix tests/, test_disk.py test_lock.py test_small_json.py $(addprefix results/test_, digests.py store.py record.py record_text.py) $(addprefix studies/test_, config.py draws.py))
FAULTS := tests/faults $(TRUSTED_TESTS) tests/datasets

.PHONY: setup setup-slurm demo test test-slow test-gpu test-cluster test-faults coverage check format replicate report archive docs lock clean

setup: $(VENV)/ready

$(UV):
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv

$(BIN)/python: | $(UV)
	$(UV) venv --quiet --python $(PYTHON) $(VENV)

$(VENV)/ready: requirements.lock pyproject.toml $(if $(call on,$(CPU)),$(VENV)/cpu.lock) | $(BIN)/python
	$(if $(call on,$(CPU)),$(CPU_BUILD),$(LOCKED_BUILD))
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

# The lock without torch and what only CUDA needs.
$(VENV)/cpu.lock: requirements.lock | $(BIN)/python
	awk '/^[a-z]/ { skip = /^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z-]+)==/ } !skip' $< > $@

# Snakemake's executor for SLURM, besides.
setup-slurm: setup
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements-slurm.lock

OPTIONS = $(if $(call on,$(FRESH)),--fresh) $(if $(WHERE),--where $(WHERE)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(call on,$(YES)),--yes)

demo: setup
	$(BNSTUDY) run --study demo $(OPTIONS)

replicate: setup
	$(BNSTUDY) run --study $(STUDY) --times $(WITH:%=--with %) $(OPTIONS)

report: setup
	$(BNSTUDY) aggregate --study $(STUDY)
	$(BNSTUDY) report --study $(STUDY)

archive: setup
	$(BIN)/python workflow/archive.py

test: setup
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

test-slow: setup
	$(BIN)/python -m pytest -q -m slow -n 2 --dist loadfile --timeout 7200

test-gpu: setup
	$(BIN)/python -m pytest -q -m gpu

# A real one-node cluster of Debian's slurmctld, slurmd, slurm-client and munge (apt-get install them).
test-cluster: setup-slurm
	$(BIN)/python -m pytest -q tests/cluster -m cluster -s --timeout 1800

test-faults: setup
	$(BIN)/python -m pytest -q $(FAULTS) -m "" -n 2 --dist loadfile --timeout 3600

# Every statement and branch of the modules that all trust rests on, by their own tests.
coverage: setup
	$(BIN)/python -m pytest -q $(TRUSTED_TESTS) -m "" $(TRUSTED:%=--cov=bnstudy.%) --cov-branch --cov-report=term-missing --cov-fail-under=100

check: setup
	$(BIN)/ruff format --check src tests docs workflow
	$(BIN)/ruff check src tests docs workflow
	$(BIN)/pyright
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/python workflow/lint.py
	$(MAKE) test

format: setup
	$(BIN)/ruff format src tests docs workflow
	$(BIN)/ruff check --fix src tests docs workflow
	$(BIN)/snakefmt Snakefile workflow

docs: setup
	$(BIN)/python docs/generate.py

lock: | $(UV)
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --upgrade requirements.in -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 --upgrade requirements-slurm.in -o requirements-slurm.lock

clean:
	rm -rf $(VENV) .uv
