# Targets; `make help` prints these comments.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PEERS := .venv-peers
WEB := web/monitor
TRAY := examples/job-tray
WEB_FILES = $(shell find $(WEB) $(TRAY) \( -name node_modules -o -name dist \) -prune -o -type f -print)
# Without Node.js the web part is left out, and says so; where everything must be tested it is needed.
with_node = if scripts/has-node; then $(MAKE) --no-print-directory $(1); \
	elif [ "$$CI" = true ]; then exit 1; else echo "the web part is left out"; fi

.DEFAULT_GOAL := help
.PHONY: help setup system-deps demo test faults imports simulate check bench bench-peers soak docs web web-test web-check clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: $(READY) ## a virtual environment with the locked dependencies

$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed as '$(PYTHON)'"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

system-deps: ## what tests need beyond Python (installed when root, named otherwise)
	@scripts/system-deps

demo: $(READY) ## server, agent and simulated phones at work, live; ONCE=1 ends by itself
	@$(BIN)/python examples/demo.py $(if $(ONCE),--once)

test: $(READY) system-deps ## all tests
	@$(call with_node,$(WEB)/node_modules/ready $(TRAY)/node_modules/ready)
	@$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

faults: $(READY) system-deps ## rounds of work under real faults; ROUNDS=50 SEED=1 choose them
	@PROCESSION_FAULT_ROUNDS=$(or $(ROUNDS),50) PROCESSION_FAULT_SEED=$(or $(SEED),1) \
		$(BIN)/pytest tests/campaign -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

imports: $(READY) ## a million rows imported under five kills; ROWS=1000000 SEED=1 choose them
	@PROCESSION_IMPORT_ROWS=$(or $(ROWS),1000000) PROCESSION_IMPORT_SEED=$(or $(SEED),1) \
		$(BIN)/pytest tests/jobs/test_killed_imports.py -k five $(ARGS)

simulate: $(READY) ## whole worlds from seeds, in one thread each; SEEDS=1000 FROM=0, or SEED=n for a trace
	@PYTHONPATH=tests $(BIN)/python -m simulation \
		$(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000) --from $(or $(FROM),0))

check: $(READY) ## style, types, import rules
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(call with_node,web-check)

bench: $(READY) system-deps $(PEERS)/ready ## speed and memory, as ratios to baselines of the same run
	@scripts/system-deps bench
	@$(BIN)/python -m bench $(ARGS)

bench-peers: $(READY) $(PEERS)/ready ## ours beside other queues and the raw driver; ARGS=--quick tries it
	@scripts/system-deps bench
	@$(BIN)/python -m bench --only peers,crash,floor,bulk-writing,servers --rounds 3 $(ARGS)

$(PEERS)/ready: bench/peers.lock bench/peers-oban.lock scripts/install-peers
	@scripts/install-peers $(PYTHON) $(PEERS)

soak: $(READY) system-deps ## work and pruning without pause for 20 minutes; SECONDS=300 for less
	@$(BIN)/python -m bench.soak --seconds $(or $(SECONDS),1200) $(ARGS)

docs: $(READY) ## the pages that are generated
	@$(BIN)/python scripts/make-docs

# Not `npm ci`: it refuses a lock that lacks optional packages for other platforms, and not every
# registry carries them. What the lock names is installed as it says.
%/node_modules/ready: %/package-lock.json
	@scripts/has-node
	@cd $* && npm install --no-save --no-audit --no-fund --loglevel=error
	@touch $@

web: $(WEB)/node_modules/ready ## the TypeScript package, built
	@cd $(WEB) && npm run --silent build

web-test: $(WEB)/node_modules/ready system-deps ## its tests; PROCESSION_URL and PROCESSION_TOKEN name a real server
	@cd $(WEB) && npm run --silent test

web-check: $(WEB)/node_modules/checked ## its style and types, and its example's

$(WEB)/node_modules/checked: $(WEB)/node_modules/ready $(TRAY)/node_modules/ready $(WEB_FILES)
	@cd $(WEB) && npm run --silent build && npm run --silent check
	@cd $(TRAY) && npm run --silent check
	@touch $@

clean: ## everything that was made
	rm -rf $(VENV) $(PEERS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo \
		$(WEB)/node_modules $(WEB)/dist $(TRAY)/node_modules $(TRAY)/dist
