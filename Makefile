# Needs Python 3.11 to 3.13 and make; everything else goes into .venv.
PYTHON ?= python3
# More options for the demo and the benchmarks, for example ARGS='--storage /tmp/results'.
ARGS ?=
BIN := .venv/bin
INSTALLED := .venv/.installed
MINIMUM_BIN := .venv-minimum/bin
MINIMUM := .venv-minimum/.installed
# Where the tests write that need no Ray and run beside those that do.
BESIDE := .venv/beside.log

.PHONY: demo test test-all test-minimum check docs wheel bench bench-speed bench-step bench-demo bench-curves bench-scale bench-paired bench-calibration bench-coverage bench-diving48 bench-diving48-models bench-feeds bench-search bench-until-decided bench-start bench-gpu clean

demo: $(INSTALLED)
	$(BIN)/python sweeps/ts_grid.py --preset demo $(ARGS)

test: $(INSTALLED)
	@$(BIN)/python -m tests -m 'not slow and beside' > $(BESIDE) 2>&1 & beside=$$!; \
	$(BIN)/python -m tests -m 'not slow and not beside'; failed=$$?; \
	wait $$beside || failed=1; cat $(BESIDE); rm $(BESIDE); exit $$failed

test-all: $(INSTALLED)
	$(BIN)/python -m tests -m 'slow or not slow'

# The lowest versions that pyproject.toml allows, in an environment of their own.
test-minimum: $(MINIMUM)
	$(MINIMUM_BIN)/python -m tests -m 'not slow'

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# With strict: true every warning is an error, and so is a link or an anchor that leads nowhere.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

# The source archive, and the wheel out of it. Released are only files that pass all three.
wheel: $(INSTALLED)
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks.run

bench-speed: $(INSTALLED)
	$(BIN)/python -m benchmarks.speed $(ARGS)

bench-step: $(INSTALLED)
	$(BIN)/python -m benchmarks.step $(ARGS)

bench-demo: $(INSTALLED)
	$(BIN)/python -m benchmarks.demo $(ARGS)

bench-curves: $(INSTALLED)
	$(BIN)/python -m benchmarks.curves $(ARGS)

bench-scale: $(INSTALLED)
	$(BIN)/python -m benchmarks.scale $(ARGS)

bench-paired: $(INSTALLED)
	$(BIN)/python -m benchmarks.paired $(ARGS)

bench-calibration: $(INSTALLED)
	$(BIN)/python -m benchmarks.calibration $(ARGS)

bench-coverage: $(INSTALLED)
	$(BIN)/python -m benchmarks.coverage $(ARGS)

bench-diving48: $(INSTALLED)
	$(BIN)/python -m benchmarks.diving48 $(ARGS)

bench-diving48-models: $(INSTALLED)
	$(BIN)/python -m benchmarks.diving48_models

bench-feeds: $(INSTALLED)
	$(BIN)/python -m benchmarks.feeds $(ARGS)

bench-search: $(INSTALLED)
	$(BIN)/python -m benchmarks.search $(ARGS)

bench-until-decided: $(INSTALLED)
	$(BIN)/python -m benchmarks.until_decided $(ARGS)

bench-start: $(INSTALLED)
	$(BIN)/python -m benchmarks.start $(ARGS)

bench-gpu: $(INSTALLED)
	$(BIN)/python -m benchmarks.gpu $(ARGS)

# torch goes first: resolved together with the rest, pip may take another build of it. torchvision goes apart, where only
# its tests look: beside a build of torch that it was not compiled for, Lightning would not load any more.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt "torch>=2.11,<2.14"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps --upgrade --target .venv/apart torchvision
	touch $@

$(MINIMUM): pyproject.toml constraints-minimum.txt
	$(PYTHON) -m venv .venv-minimum
	$(MINIMUM_BIN)/python -m pip install --quiet --constraint constraints-minimum.txt torch
	$(MINIMUM_BIN)/python -m pip install --quiet --constraint constraints-minimum.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .venv-minimum data dist results site
