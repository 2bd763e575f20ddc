# Two commands: `make demo` sets up and runs the whole workbook on the embedded AWS; `make test` sets up and tests.
# Any of them may be run again; none asks anything.

VENV   := .venv
BIN    := $(VENV)/bin
DEMO_STAMP  := $(VENV)/.set-up-demo
STAMP  := $(VENV)/.set-up
DEMO_EXTRAS := local,notebooks,speech
EXTRAS := $(DEMO_EXTRAS),voice,cluster,test,dev,docs
# nbval compares the committed notebooks in processes of its own; here it would only cost each worker its import.
PYTEST := $(BIN)/python -m pytest --color=no -p no:nbval
SPREAD := --dist worksteal
STRICT := $(wildcard dgsm_helpers/*.py) dgsm_helpers/rules dgsm_helpers/wire

export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Set, as containers like to have it, it lets every process compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-loaded test-slow test-slow-live test-slow-others fuzz soak lint coverage docs notebooks lab clean

help:
	@echo "make demo       run the whole workbook on the embedded AWS; writes out/index.html"
	@echo "make test       all tests but the slow ones, the committed notebooks included"
	@echo "make test-loaded  make test five times (TIMES=5) on a machine kept busy"
	@echo "make test-slow  the slow ones"
	@echo "make fuzz       bytes that nobody meant, FUZZ=20000 of them for each parser and operation"
	@echo "make soak       calls on a scaling endpoint while faults strike; SECONDS=1800, CALLS=60"
	@echo "make lint       ruff, mypy, imports that point one way, public names"
	@echo "make coverage   the tests with a report of what they do not reach"
	@echo "make docs       guides and API pages in out/site"
	@echo "make notebooks  run all notebooks and store their outputs"
	@echo "make lab        JupyterLab in notebooks/"
	@echo "make setup      only set up $(VENV), with everything"
	@echo "make clean      stop the embedded AWS, remove $(VENV) and what was generated"

setup: $(STAMP)

# Done again only when pyproject.toml changes. What only tests need is a third of everything, so a demo does without. The
# stamp is written last, so an interrupted set-up is resumed. pip compiles 13,000 files one after the other; compileall
# does it on all cores (what it cannot compile are templates, not modules).
define INSTALL
@set -e; \
if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
    python=$$(PYTHON="$(PYTHON)" sh .ci/find-python); \
    echo "Python: $$python"; \
    rm -rf $(VENV); \
    if command -v uv >/dev/null 2>&1; then uv venv --quiet --python "$$python" $(VENV); \
    else "$$python" -m venv $(VENV); fi; \
fi; \
echo "Installing dgsm-helpers[$(1)] into $(VENV)"; \
if command -v uv >/dev/null 2>&1; then \
    uv pip install --quiet --compile-bytecode --python $(BIN)/python -e ".[$(1)]"; \
else \
    $(BIN)/python -m pip install --quiet --no-compile -e ".[$(1)]"; \
    $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true; \
fi
endef

$(DEMO_STAMP): pyproject.toml
	$(call INSTALL,$(DEMO_EXTRAS))
	@touch $@

$(STAMP): pyproject.toml
	$(call INSTALL,$(EXTRAS))
	@touch $(DEMO_STAMP) $@

demo: $(DEMO_STAMP)
	$(BIN)/dgsm demo

test: setup
	$(PYTEST) -m "not slow" -n 5 $(SPREAD)

# Again and again while other processes keep every processor busy; stops at the first failure.
test-loaded: setup
	$(BIN)/python tests/kit/busy.py $(or $(TIMES),5) $(MAKE) --no-print-directory test

# Two runs at once: streams in real time need little processor, so there are several, and the others take what is left.
# More of them at once make each other's clients late, and what is void for that is measured again: longer for all.
test-slow: setup
	@$(MAKE) --no-print-directory -j 2 test-slow-live test-slow-others

test-slow-live:
	$(PYTEST) -m "slow and live" -n 6 $(SPREAD) $$(grep -rl --include="test_*.py" "pytest.mark.live" tests)

test-slow-others:
	nice -n 19 $(PYTEST) -m "slow and not live" -n 3 $(SPREAD)

# What breaks something is kept in tests/security/corpus, and tried again by `make test`.
fuzz: setup
	FUZZ=$(or $(FUZZ),20000) $(PYTEST) -q tests/security/test_fuzz.py

soak: setup
	SECONDS=$(or $(SECONDS),1800) CALLS=$(or $(CALLS),60) PYTHONPATH=tests $(BIN)/python -m kit.soak

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --strict --follow-imports=silent $(STRICT)
	$(PYTEST) -q tests/test_architecture.py tests/test_public_names.py

# Tests of one kind each, so that a gap shows where it is; the figures of the last run stay in .coverage.
coverage: setup
	$(BIN)/python -m pytest --color=no -m "not slow" -n 4 $(SPREAD) --cov --cov-report= || true
	$(BIN)/coverage report --fail-under=90

docs: setup
	$(BIN)/python docs/import_picture.py
	$(BIN)/python docs/coverage_table.py
	$(BIN)/python docs/command_pages.py
	$(BIN)/python docs/iam_documents.py
	$(BIN)/python docs/real_and_embedded_picture.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir out/site

notebooks: setup
	$(BIN)/python .ci/fill_notebooks.py

lab: $(DEMO_STAMP)
	$(BIN)/jupyter lab --notebook-dir=notebooks

clean:
	-@[ ! -x $(BIN)/dgsm ] || $(BIN)/dgsm local down
	rm -rf $(VENV) out build dist .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +
