# Every command of the repository. `make help` lists them; ARGS="..." is passed on.
.DEFAULT_GOAL := help
PY := .venv/bin/python
INSTALLED := .venv/.installed

help:  ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(INSTALLED): constraints.txt requirements-nodeps.txt pyproject.toml
	@bash scripts/venv.sh

run: $(INSTALLED)  ## start the whole fleet on a replayed market (ARGS="--seconds 40 --json", "--replay crypto", "--fresh")
	@.venv/bin/fleet run $(ARGS)

# A process for each processor, each with servers of its own (with servers that are given, one); a file's tests stay together, as they
# share what they set up.
SIDE_BY_SIDE = $(if $(DATABASE_URL)$(REDIS_URL),,-n auto --maxprocesses 4 --dist loadfile)
test: $(INSTALLED)  ## run the tests on real Postgres and Valkey servers (ARGS="-k journal", "-n 0 --pdb")
	@$(PY) -m pytest $(SIDE_BY_SIDE) $(ARGS)

verify: $(INSTALLED) .venv/.ray  ## checks that play a whole fleet for minutes, beside a real Prometheus, Alertmanager and nginx where they are
	@$(PY) -m pytest tests/verify $(ARGS)

ray: .venv/.ray  ## install Ray beside the rest: `fleet backtest search --ray ADDRESS` needs it, nothing else does

.venv/.ray: constraints-ray.txt $(INSTALLED)
	@bash scripts/venv.sh constraints-ray.txt
	@touch $@

chaos: $(INSTALLED)  ## kill, freeze and cut the order path under load (ARGS="--kills 30 --seed 7 --json", "--help")
	@$(PY) -m tests.chaos $(ARGS)

lint: $(INSTALLED)  ## ruff, mypy --strict, import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

fmt: $(INSTALLED)  ## format the code and sort the imports
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

# Only what a container has needs to be here: docker and openssl, no .venv.
COMPOSE = docker compose $(if $(wildcard .env),--env-file .env) -f deploy/compose/compose.yaml

up:  ## build the images and start the fleet in containers (ARGS=--no-build, COMPOSE_PROFILES=logs)
	@bash scripts/secrets.sh
	@$(if $(findstring --no-build,$(ARGS)),,$(COMPOSE) --profile tools build)
	@$(COMPOSE) up --detach --wait --wait-timeout 300 $(ARGS)
	@bash scripts/urls.sh "$$($(COMPOSE) port nginx 8443)"

down:  ## stop the containers, in order; their volumes stay (ARGS=--volumes removes them too)
	@$(COMPOSE) --profile "*" down $(ARGS)

bench: $(INSTALLED)  ## measure, print a table, write benchmarks/results/latest.json
	@$(PY) -m benchmarks $(ARGS)

docs: $(INSTALLED)  ## regenerate the generated pages of docs/
	@$(PY) -m fleet.docs $(ARGS)
	@$(PY) -m fleet.dashboards

# One lock for every Python from 3.11 on (--universal keeps the markers): redis needs async-timeout below 3.11.3, which Debian 12 has.
# Pins stay as they are unless pyproject.toml asks otherwise; ARGS=--upgrade moves them. `pip install uv` provides uv.
# Ray has a lock of its own: it is as large as all the rest, and only those with several hosts want it.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(ARGS)
EXTRAS = data_collector strategy_engine risk_manager trade_executor deadman sim_venue portfolio scheduler monitor backtester fleet embedded dev
lock:  ## rewrite constraints.txt and constraints-ray.txt from pyproject.toml
	$(COMPILE) $(EXTRAS:%=--extra %) pyproject.toml --output-file constraints.txt
	$(COMPILE) $(EXTRAS:%=--extra %) --extra ray pyproject.toml --constraints constraints.txt --output-file constraints-ray.txt
	@if grep -n '://' constraints.txt constraints-ray.txt; then echo "a lock names an index" >&2; exit 1; fi

clean:  ## remove .venv and all caches (the data in .state stays)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help run test verify ray chaos lint fmt up down bench docs lock clean
