# The two commands of the README, and what stands behind them.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet
# CompressAI wants numpy < 2, so its plugin has an environment of its own: `make test-compressai`.
PLUGINS := $(filter-out plugins/compressai/%,$(wildcard plugins/*/pyproject.toml))
# Codecs that also run without torch have it in an extra of that name.
LIGHT := $(shell grep -l '^torch = ' $(PLUGINS))
PACKAGES := $(foreach file,$(PLUGINS),-e "$(dir $(file))$(if $(filter $(file),$(LIGHT)),[torch])")
EXAMPLE := examples/codectk-palette

# One kind of arithmetic each: old processors, another BLAS, the machine's own, and bfloat16 wherever oneDNN may.
ARITHMETIC := "ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41" OPENBLAS_CORETYPE=Haswell "" DNNL_DEFAULT_FPMATH_MODE=BF16

.PHONY: demo test test-portable test-compressai test-lowest wheels test-wheels docs man check clean

demo: $(VENV)/demo.done  ## encode and decode a photo, compare with JPEG and WebP, draw the result
	$(BIN)/python examples/demo.py examples/photo.png demo

test: $(VENV)/test.done  ## install everything and run all tests
	$(BIN)/python -m pytest

test-portable: $(VENV)/test.done  ## golden files and exactness under several kinds of arithmetic
	set -e; for setting in $(ARITHMETIC); do echo "$$setting"; env $$setting $(BIN)/python -m pytest -m portable; done

test-compressai: $(VENV)-compressai/test.done  ## tests of plugins/compressai beside CompressAI itself
	$(VENV)-compressai/bin/python -m pytest plugins/compressai

test-lowest:  ## all tests with the oldest versions that the packages accept, chosen by uv
	$(MAKE) test VENV=$(VENV)-lowest PIP="uv pip install --quiet --resolution lowest-direct --python $(VENV)-lowest"

wheels: $(VENV)/test.done  ## wheels of all packages, in dist/
	rm -rf dist
	set -e; for project in . $(wildcard plugins/*/) $(EXAMPLE); do \
	    $(BIN)/python -m build --wheel --no-isolation --outdir dist $$project; done

test-wheels: wheels  ## install the wheels in an environment of their own and run the conformance kit there
	PYTHON="$(PYTHON)" .ci/wheels $(VENV)-wheels $(SHARE)

docs: $(VENV)/test.done  ## the documentation site, in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

man: $(VENV)/test.done  ## the manual page, packaging/codectk.1
	$(BIN)/python packaging/man.py

check: $(VENV)/test.done  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy core/codectk plugins/*/codectk_* examples/*/codectk_*

# Torch and its friends must come from one resolver run, so everything is installed by one command.
$(VENV)/demo.done: pyproject.toml $(PLUGINS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e . $(PACKAGES)
	touch $@

$(VENV)/test.done: pyproject.toml $(PLUGINS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[dev]" $(PACKAGES)
	touch $(VENV)/demo.done $@

$(VENV)-compressai/test.done: pyproject.toml plugins/compressai/pyproject.toml
	$(PYTHON) -m venv $(VENV)-compressai
	$(VENV)-compressai/bin/python -m pip install --disable-pip-version-check --quiet \
	    -e . -e "plugins/compressai[test]" "pytest-benchmark>=4"
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-compressai $(VENV)-lowest $(VENV)-wheels demo dist site
