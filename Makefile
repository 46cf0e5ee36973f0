# Two commands: `make demo` shows the node at work, `make test` runs all tests. Both first prepare
# .venv/, which takes a few minutes once and a moment afterwards.

# A folder, video, camera number, rosbag or 'synthetic'; empty plays made-up scenes.
SOURCE ?=
# A weights file or known name; empty uses the model in the package.
WEIGHTS ?=
# How long the demo runs [s].
DURATION ?= 20

.PHONY: help setup demo test lint clean

help:
	@echo 'make demo [SOURCE=video.mp4] [WEIGHTS=file.pth] [DURATION=20]   camera -> node -> masks'
	@echo 'make test                                                     the whole test suite'
	@echo 'make setup | lint | clean'

setup:
	@tools/setup

demo: setup
	@tools/demo --duration '$(DURATION)' $(if $(SOURCE),--source '$(SOURCE)') \
	  $(if $(WEIGHTS),--weights '$(WEIGHTS)')

test: setup
	.venv/bin/python -m pytest -q

lint: setup
	.venv/bin/ruff check .

clean:
	rm -rf .venv build install log .pytest_cache .ruff_cache
