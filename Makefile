# The two commands a newcomer needs are `make demo` and `make test`; each installs what it needs into .venv first.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
export OMP_NUM_THREADS ?= 2
export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: install demo test test-fast check fmt clean help

help:
	@echo "make demo   the whole road on an example: questions, spec, plan, training, results, served model;"
	@echo "            on a terminal you give the answers, elsewhere a file does"
	@echo "make test   all tests"
	@echo "make check  format, lint, types, import contracts, dead code, budgets"
	@echo "make fmt    format the code"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Tailor needs Python 3.11 or newer"'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,dev]'
	@touch $(READY)

install: $(READY)

demo: $(READY)
	@test ! -d demo-project/.tailor || $(BIN)/tailor -C demo-project teardown --all
	@rm -rf demo-project
	@$(BIN)/python -m tools.demo demo-project
	@if [ -t 0 ] && [ -t 1 ]; then \
		$(BIN)/tailor -C demo-project; \
	else \
		$(BIN)/tailor -C demo-project chat --answers demo-project/answers.txt; \
	fi
	@echo "A server stops by itself; to stop it now: $(BIN)/tailor -C demo-project teardown --all"

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test-fast: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

check: $(READY)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture
	$(BIN)/python -m pytest -q tests/contracts/test_budgets.py

fmt: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis demo-project
