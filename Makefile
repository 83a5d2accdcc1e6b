# make demo: install, simulate people, train, score on unseen people, write demo/report.html
# make test: install with the test extras, run the suite
PYTHON ?= python3
BIN := .venv/bin
OUT ?= demo

.PHONY: demo test test-slow lint bench clean help

help:
	@echo "make demo   create .venv, install mien, run the main job, write $(OUT)/report.html"
	@echo "make test   create .venv, install mien with its test extras, run the suite"
	@echo "make test-slow  what the suite leaves out for its length: minutes"
	@echo "make lint   ruff and mypy"
	@echo "make bench  speed and memory, as ratios within one run"

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else f"mien needs Python 3.11 or newer, found {v[0]}.{v[1]}: make PYTHON=python3.11 demo")'
	@echo "== creating .venv and installing mien (minutes, once)"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

.venv/installed-test: .venv/installed
	@echo "== installing the test extras"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

demo: .venv/installed
	@echo "== mien demo: simulate, train, score on people never heard, report"
	$(BIN)/mien demo --out $(OUT) --resume

test: .venv/installed-test
	@echo "== the suite"
	$(BIN)/python -m pytest -n 2
	@echo "== networks once more, as on a processor without AVX-512 (elsewhere than on x86-64 a plain second run)"
	ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/python -m pytest -n 2 tests/models tests/learning/test_methods_contract.py tests/learning/test_facer_classifier.py
	@echo "== sound in real time, one test after another; a machine that was busy gets a second try"
	$(BIN)/python -m pytest -m alone || $(BIN)/python -m pytest -m alone --last-failed --last-failed-no-failures none

lint: .venv/installed-test
	$(BIN)/ruff check src tests && $(BIN)/ruff format --check src tests && $(BIN)/mypy src/mien

test-slow: .venv/installed-test
	@echo "== what takes minutes"
	$(BIN)/python -m pytest -n 2 -m slow

bench: .venv/installed
	$(BIN)/python -m benchmarks

clean:
	rm -rf .venv $(OUT)
