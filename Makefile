# `make demo` watches a registration, `make test` runs every check, `make check` the quick ones.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check lint env models wheels lock clean
.DELETE_ON_ERROR:

env: $(VENV)/.installed

# Hashes in the lock file are checked by pip; the project itself is added without resolving anything.
$(VENV)/.installed: requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Creating $(VENV) from requirements.lock (about half a minute) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --no-deps --no-build-isolation --no-index -e .
	@touch $@

models: env
	@$(BIN)/sealmatch models fetch

demo: models
	@$(BIN)/sealmatch demo

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -n 2
	$(BIN)/lint-imports

test: lint models
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=20

check: lint
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow" tests/unit tests/wire tests/property \
	  tests/architecture

wheels: env
	$(BIN)/python .ci/wheels.py

lock:
	$(BIN)/uv pip compile pyproject.toml --all-extras --generate-hashes --python-version 3.11 -q \
	  --custom-compile-command "make lock" -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra build --generate-hashes --python-version 3.11 -q \
	  --custom-compile-command "make lock" -c requirements.lock -o requirements-authority.lock
	for image in "authority" "gateway --extra gateway"; do set -- $$image; name=$$1; shift; \
	  $(BIN)/uv pip compile pyproject.toml --extra postgresql --extra telemetry "$$@" \
	    --generate-hashes --python-version 3.11 -q --custom-compile-command "make lock" \
	    -c requirements.lock -o gateway/deploy/containers/$$name.lock || exit 1; \
	done

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
