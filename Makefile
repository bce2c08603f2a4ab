# Works on a fresh machine that has make, bash and Python 3.11 or newer with pip and venv.
# The environment lies in .venv and is made or brought up to date when a target needs it.
#
#   make demo     transcribe the sample clips with the bundled checkpoint
#   make test     run the tests (without those marked slow)
#   make check    everything that must pass before a change lands
#   make bench    measure time and memory beside other implementations (20 minutes, 12 GB)
#   make heads    train the bundled heads again: make heads SPEECH=FOLDER (recipes/heads)
#   make outputs  run the documentation and put in what its blocks print
#   make docs     build the documentation into site/
#   make format   rewrite the sources in the project's format
#   make clean    remove the environment and everything that was built
#
# Another interpreter: make demo PYTHON=python3.12

SHELL := bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
TORCH := $(shell grep '^torch==' constraints.txt)

# Both files are touched last, so an interrupted installation is taken up again.
RUNTIME := $(VENV)/installed-runtime
DEVELOPMENT := $(VENV)/installed-development

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check format-check lint types imports docs outputs heads bench format clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(RUNTIME)
	$(BIN)/wav2vec2-conformer transcribe --demo

# Side by side, each on one thread: torch processes with several threads each hinder one another.
test: $(DEVELOPMENT)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

check: format-check lint types imports test docs

format-check: $(DEVELOPMENT)
	$(BIN)/ruff format --check .

lint: $(DEVELOPMENT)
	$(BIN)/ruff check .

types: $(DEVELOPMENT)
	$(BIN)/mypy

imports: $(DEVELOPMENT)
	$(BIN)/lint-imports

docs: $(DEVELOPMENT)
	@# not --quiet, which hides the warnings that --strict should count
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# With the outputs on real speech: make outputs SPEECH=FOLDER (as recipes/tiny-en takes it)
# Some pages, or only to see what would change: make outputs FLAGS="--check docs/guides/align*.md"
outputs: $(DEVELOPMENT)
	$(BIN)/python -m tests.docs.refresh $(if $(SPEECH),--speech "$(SPEECH)") $(FLAGS)

heads: $(DEVELOPMENT)
	@test -n "$(SPEECH)" || { echo "Name the folder of speech: make heads SPEECH=FOLDER" >&2; exit 2; }
	$(BIN)/python recipes/heads/train.py "$(SPEECH)" runs/heads

# With a test set for the error rate of int8: make bench SPEECH=test.jsonl
# Some figures, smaller models: make bench FLAGS="--only S1,S2 --size base"
bench: $(DEVELOPMENT)
	$(BIN)/wav2vec2-conformer bench -o runs/bench --markdown docs/benchmarks.md \
	  $(if $(SPEECH),--speech "$(SPEECH)") $(FLAGS)

format: $(DEVELOPMENT)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  .import_linter_cache

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)'. Install Python 3.11 or newer, or name it:" \
	    "make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, but '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	    "Name another one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch goes in first: where a CPU wheel is at hand, it is taken, and no later step asks again.
$(RUNTIME): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet "$(TORCH)" -c constraints.txt
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(DEVELOPMENT): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet "$(TORCH)" -c constraints.txt
	$(PIP) install --quiet -c constraints.txt -e '.[dev,docs]'
	$(PIP) install --quiet -c constraints.txt --no-deps pyctcdecode  # it pins an old numpy
	@touch $(RUNTIME) $@
