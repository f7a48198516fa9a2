# `make demo` watches a registration, `make test` runs every check, `make check` the quick ones;
# `make page` builds the counter's page.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PAGE := gateway/kiosk/page
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test check lint env models page page-release wheels lock clean
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

# The counter's page, from its sources. Its files must be those that release.json pins.
page: env page-build
	@$(BIN)/python .ci/page.py

page-release: env page-build
	@$(BIN)/python .ci/page.py --write

.PHONY: page-build
page-build: $(PAGE)/node_modules/.installed
	@cd $(PAGE) && npm run --silent build -- --logLevel warn

# npm checks the lock file's hashes; no package runs a script of its own.
$(PAGE)/node_modules/.installed: $(PAGE)/package-lock.json
	@command -v npm >/dev/null || { echo "make: npm not found; the page is built with Node.js 20 or newer" >&2; exit 1; }
	@cd $(PAGE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

test: lint models page
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=20

check: lint
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow" tests/unit tests/wire tests/property \
	  tests/architecture

wheels: env page
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
	rm -rf $(PAGE)/node_modules $(PAGE)/build gateway/kiosk/assets
