# Every target calls run.py, so that Windows (py run.py test) does the same.
# A target takes further words in ARGS: make test ARGS="-k errors"; another Python in PYTHON: make test PYTHON=python3.12
PYTHON ?= python3

.PHONY: help demo test slow bench digests docs setup lock
help:
	@$(PYTHON) run.py --help

demo test slow bench digests docs setup lock:
	@$(PYTHON) run.py $@ $(ARGS)
