# make demo and make test work on a machine that has only python3 (>= 3.11, with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-user check format bench docs schemas clean

demo: $(VENV)/demo  ## train nets/digits.net on real handwritten digits
	$(BIN)/netc train nets/digits.net

test: $(VENV)/dev  ## the whole test suite
	$(BIN)/python -m pytest -n 2

test-user: $(VENV)/dev  ## as root: the tests of files and faults as an ordinary user
	$(BIN)/python -m tools.ordinary_user

check: $(VENV)/dev  ## lint, types and tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/bench  ## netc against PyTorch, ONNX Runtime and OpenCV; see docs/performance.md
	$(BIN)/python -m tools.bench
	$(BIN)/python -m tools.bench.latency

docs: $(VENV)/dev  ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

schemas: $(VENV)/dev  ## write schemas/*.proto from the declarations
	$(BIN)/python tools/schemas.py

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[draw]'
	touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/demo

$(VENV)/bench: $(VENV)/dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' 'torch==2.13.0' onnx onnxruntime
	touch $@
