# `make demo` and `make test` set everything up by themselves; the rest uses the same environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.docmill-ready
# Tests run in so many processes with one thread of compute each; with JOBS=0, one after the other in a single one.
JOBS ?= 2
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

.PHONY: demo test check fix bench bench-found clean install
.DEFAULT_GOAL := demo

install: $(READY)

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PYTHON) tools/size_notice.py $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --requirement requirements.lock
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)
	@echo "The environment in $(VENV) is ready."

demo: $(READY)
	@$(BIN)/python tools/demo.py

test: $(READY)
	@$(TESTS)
	@$(TESTS) tests/flow -m "flow and not slow"

test-models: $(READY)
	@$(TESTS) --dist loadfile -m "models and not slow"

test-browser: $(READY)
	@$(BIN)/python -m pytest -q -m "browser and not slow"

test-slow: $(READY)
	@$(BIN)/python -m pytest -q -m "slow or browser"

check: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_layers.py

fix: $(READY)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# How fast: rewrites the table in benchmarks/README.md; `make bench PARTS=all` measures every part, hours on a small machine.
bench: $(READY)
	@$(BIN)/python -m benchmarks $(PARTS)

# What is found.
bench-found: $(READY)
	@$(BIN)/python -m benchmarks.found
	@$(BIN)/python -m benchmarks.photos

clean:
	rm -rf $(VENV) docmill-data docmill-server build *.egg-info .mypy_cache .ruff_cache .pytest_cache
