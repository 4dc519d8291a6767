# `make help` lists the targets. Set-up happens by itself: .venv from the lock, Debian packages where tests need them.

VENV   := .venv/bin
READY  := .venv/ready
LOCKED := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
          --no-emit-index-url --no-emit-find-links --quiet
# The slow tests wait for real time far more than they compute: three workers for each of two cores.
PARALLEL := --numprocesses 6 --dist loadgroup --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test check hil bench sim lock debian format lint types pure

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
	    printf '  make %-7s %s\n' "$$name" "$$text"; done

demo: $(READY) ## a site curtails for real, in three minutes; the report is out/demo/report.html
	$(VENV)/python -m hil.demo

check: format lint types pure ## format, lint, types, imports and pure tests; under a minute

test: debian check ## check, and the end-to-end tests: what .ci/run runs
	$(VENV)/pytest -m "slow and not alone" $(PARALLEL)
	$(VENV)/pytest -m alone

hil: $(READY) debian ## every scenario of the rig against stand-ins; the report is out/hil/report.html (HIL="--seed 7")
	$(VENV)/ballast-hil run --all $(HIL)

bench: $(READY) debian ## reaction times of ours and of a C program, interleaved (BENCH="--what coil --rounds 50")
	$(VENV)/python -m hil.bench $(or $(BENCH),--what all)

sim: $(READY) ## the whole agent under virtual time with faults, many seeds (SIM="--seeds 500")
	$(VENV)/python -m tests.sim $(SIM)

lock: ## renew locks/ from pyproject.toml (needs uv)
	$(LOCKED) -o locks/run.txt
	$(LOCKED) --extra dev -o locks/dev.txt

format: $(READY)
	$(VENV)/ruff format --check .

lint: $(READY)
	$(VENV)/ruff check .

types: $(READY)
	$(VENV)/mypy

pure: $(READY)
	$(VENV)/pytest -m pure

debian:
	packaging/setup.sh debian

$(READY): locks/dev.txt pyproject.toml packaging/setup.sh
	packaging/setup.sh python
