# Two commands: `make demo` shows the node at work, `make test` runs all tests. Both first prepare
# .venv/, which takes a few minutes once and a moment afterwards.

# A folder, picture, video, webcam number, rosbag2 or synthetic:MODE; empty plays made-up scenes.
SOURCE ?=
# A weights file or known name; empty uses the model in the package.
WEIGHTS ?=
# 1: the made-up camera has a depth picture too, and objects have distances.
DEPTH ?=
# How long the demo runs [s].
DURATION ?= 20

# A sourced ROS installation would mix its libraries with those of .venv/.
unexport LD_LIBRARY_PATH PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

.PHONY: help setup demo test lint clean

help:
	@echo 'make demo [SOURCE=video.mp4] [WEIGHTS=file.pth] [DEPTH=1] [DURATION=20]   camera -> node -> masks'
	@echo 'make test                                                     the whole test suite'
	@echo 'make setup | lint | clean'

setup:
	@tools/setup

demo: setup
	@tools/demo --duration '$(DURATION)' $(if $(SOURCE),--source '$(SOURCE)') \
	  $(if $(WEIGHTS),--weights '$(WEIGHTS)') $(if $(filter-out 0,$(DEPTH)),--depth)

test: setup
	.venv/bin/python -m pytest -q

lint: setup
	.venv/bin/ruff check .

clean:
	rm -rf .venv build install log .pytest_cache .ruff_cache
