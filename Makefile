# Two commands: `make demo` shows the node at work, `make test` runs the tests. Both first prepare
# .venv/, which takes a few minutes once and a moment afterwards.

# A folder, picture, video, webcam number, rosbag2 or synthetic:MODE; empty plays made-up scenes.
SOURCE ?=
# A weights file or known name; empty uses the model in the package.
WEIGHTS ?=
# 1: the made-up camera has a depth picture too, and objects have distances.
DEPTH ?=
# 1: the demo in a browser too.
VIEWER ?=
# How long the demo runs [s].
DURATION ?= $(if $(filter-out 0,$(VIEWER)),3600,20)
# kilted or jazzy: whose wheels to test with. Each has an environment of its own.
ROS ?= kilted
export ROS
venv := $(if $(filter kilted,$(ROS)),.venv,.venv-$(ROS))
# Two processes, each with files of its own and one ROS domain. A crash or a hang in foreign code
# ends only its process, its test runs once more, and the summary names it (test/conftest.py).
# Set it empty for one process, as a debugger wants it.
PARALLEL ?= -n 2 --dist loadfile --max-worker-restart=4
pytest = $(venv)/bin/python -m pytest -q $(PARALLEL)

# A sourced ROS installation would mix its libraries with those of .venv/.
unexport LD_LIBRARY_PATH PYTHONPATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

.PHONY: help setup demo test test-slow test-all test-oldest coverage lint clean

help:
	@echo 'make demo [SOURCE=video.mp4] [WEIGHTS=file.pth] [DEPTH=1] [DURATION=20]   camera -> node -> masks'
	@echo 'make demo VIEWER=1                    the same in a browser'
	@echo 'make test [ROS=jazzy]                 the tests, but for the slow ones'
	@echo 'make test-slow | test-all             the slow tests; every test'
	@echo 'make coverage                         every test; that 90 % of the lines are run'
	@echo 'make test-oldest [PYTHON=python3.10]  the oldest packages that pip may bring'
	@echo 'make setup | lint | clean'

setup:
	@tools/setup

demo: setup
	@tools/demo --duration '$(DURATION)' $(if $(SOURCE),--source '$(SOURCE)') \
	  $(if $(WEIGHTS),--weights '$(WEIGHTS)') $(if $(filter-out 0,$(DEPTH)),--depth) \
	  $(if $(filter-out 0,$(VIEWER)),--viewer)

test: setup
	$(pytest) -m 'not slow'

test-slow: setup
	$(pytest) -m slow

test-all: setup
	$(pytest)

test-oldest:
	tools/test_oldest

coverage: setup
	$(pytest) --cov --cov-report=term:skip-covered --cov-fail-under=90

lint: setup
	$(venv)/bin/ruff check .
	$(venv)/bin/mypy

clean:
	rm -rf .venv .venv-* build install log .pytest_cache .ruff_cache .mypy_cache .coverage*
