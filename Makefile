# make demo   train the quickstart and test its best checkpoint
# make test   run the tests
# make test-lowest  run the tests with the lowest version allowed of every direct dependency
# make lint   check style and types          make format   mend the style
# make docs   build the documentation        make tutorials  run the notebooks anew
# make bench  measure the speed, on a machine that does nothing else
# make clean  remove what was built
#
# The environment lives in .venv. VENV=<folder> uses another one, PYTHON=<program>
# makes it with another interpreter, DEMO=<folder> puts the demo's runs elsewhere.
# The lowest versions are for Python 3.12, LOWEST_PYTHON=<program> names it; a fresh
# .venv has the newest.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= runs/demo
LOWEST ?= .venv-lowest
LOWEST_PYTHON ?= python3.12

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.torchgeo-vqa

.PHONY: demo test test-lowest lint format docs tutorials bench clean
.DEFAULT_GOAL := test

demo: $(INSTALLED)
	$(BIN)/torchgeo fit --model tgfnet --trainer.default_root_dir $(DEMO)
	@checkpoint=$$(ls -t $(DEMO)/lightning_logs/version_*/checkpoints/best.ckpt | head -n 1) && \
	set -x && \
	$(BIN)/torchgeo test --model tgfnet --trainer.default_root_dir $(DEMO) --ckpt_path "$$checkpoint" && \
	{ set +x; } 2> /dev/null && \
	echo "Checkpoint: $$checkpoint"

# One thread a process: the test processes share the cores. Three for two cores, since some
# wait for processes of their own.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist worksteal

test-lowest: $(LOWEST)/.torchgeo-vqa
	OMP_NUM_THREADS=1 $(LOWEST)/bin/pytest -n 2 --dist worksteal

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED)
	$(BIN)/sphinx-build --fail-on-warning --keep-going -b html docs docs/_build/html

# Slow; what the notebooks show is stored in them.
tutorials: $(INSTALLED)
	cd docs/tutorials && $(abspath $(BIN))/jupyter execute --inplace *.ipynb

bench: $(INSTALLED)
	for name in evaluation_speed training_speed loading_speed pair_reading opening two_processes feature_caching speed_report; do \
		$(BIN)/python benchmarks/$$name.py || exit 1; \
	done

clean:
	rm -rf .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist docs/_build docs/tutorials/area runs *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || { \
		echo "torchgeo-vqa needs Python 3.12 or newer, and '$(PYTHON)' is not; name one: make PYTHON=python3.13" >&2; \
		exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --editable '.[docs,generate,style,tests]'
	touch $@

$(LOWEST)/.torchgeo-vqa: pyproject.toml
	test -x $(LOWEST)/bin/python || $(LOWEST_PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install uv
	$(LOWEST)/bin/uv pip compile --quiet --resolution lowest-direct --python-version 3.12 \
		--extra generate --extra tests pyproject.toml --output-file $(LOWEST)/versions.txt
	$(LOWEST)/bin/uv pip install --python $(LOWEST) --requirement $(LOWEST)/versions.txt
	$(LOWEST)/bin/uv pip install --python $(LOWEST) --no-deps --editable .
	touch $@
