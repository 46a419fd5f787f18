# make lessons   the lessons in JupyterLab        make test      the tests, in under ten minutes
# make check     style, types, import contracts   make test-all  the same and the long ones (CI)
# make bench     the numbers of docs/numbers.md   make notebooks lessons/*.ipynb from lessons/src
# make race      the recorded race of lesson 01, on a quiet machine with an engine
# make gallery   docs/gallery.md: the views' pictures, taken by their own tests
# make binder-check  the lessons within Binder's limits, with figures      make pins  binder/requirements.txt anew

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1) # tests wait more than they work

.PHONY: lessons test test-all bench binder-check check notebooks gallery pins race system system-test clean

$(VENV)/lab: pyproject.toml
	@scripts/venv $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[lab]'
	@touch $@

$(VENV)/test: pyproject.toml
	@scripts/venv $(PYTHON) $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/lab

system:
	@scripts/system-packages bwrap dot qemu-system-x86_64 busybox redis-server

system-test:
	@scripts/system-packages bwrap dot qemu-system-x86_64 busybox redis-server chromium kubectl dockerd debootstrap \
	    podman crun

lessons: system $(VENV)/lab
	$(BIN)/k8slab lessons

check: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

notebooks: $(VENV)/test
	$(BIN)/python scripts/build_notebooks.py

gallery: $(VENV)/test
	rm -f docs/gallery/*
	K8SLAB_SHOTS=$(CURDIR)/docs/gallery $(BIN)/pytest -n $(JOBS) -m browser tests/widgets tests/teach tests/browser
	$(BIN)/python scripts/gallery.py

test: system-test check
	$(BIN)/python -m k8slab.vm --fetch
	scripts/run-tests $(BIN)/pytest $(JOBS) 'not slow'

test-all: test
	scripts/run-tests $(BIN)/pytest $(JOBS) slow

binder-check: export K8SLAB_FIGURES := $(CURDIR)/build/binder.figures
binder-check: system-test $(VENV)/test
	@mkdir -p build && rm -f $(K8SLAB_FIGURES)
	$(BIN)/pytest -n $(JOBS) tests/binder; code=$$?; cat $(K8SLAB_FIGURES); exit $$code

pins: $(VENV)/test
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	@sed -n 1p binder/requirements.txt > binder/requirements.new
	$(BIN)/uv pip compile --quiet --extra lab --python-version 3.11 --python-platform linux -c binder/stock.txt \
		pyproject.toml --no-header --no-annotate >> binder/requirements.new
	@mv binder/requirements.new binder/requirements.txt

bench: $(VENV)/test
	$(BIN)/python -m benchmarks --write docs/numbers.md

race: system-test $(VENV)/test
	$(BIN)/python -m scripts.record_race

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
