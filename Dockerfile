# docker build -t yolact_ros .                                  CPU
# docker build -t yolact_ros --build-arg TORCH=cu126 .          CUDA; run it with --gpus all
ARG ROS_DISTRO=jazzy
FROM ros:${ROS_DISTRO}-ros-base
ARG TORCH=cpu

RUN apt-get update \
  && apt-get install -y --no-install-recommends python3-pip python3-venv build-essential python3-dev \
  && rm -rf /var/lib/apt/lists/*

# torch first, so that pip keeps the build that was chosen.
ENV VIRTUAL_ENV=/opt/venv PATH=/opt/venv/bin:$PATH
RUN python3 -m venv --system-site-packages /opt/venv \
  && pip install --no-cache-dir 'torch>=2.4' --index-url https://download.pytorch.org/whl/${TORCH}

WORKDIR /workspace
COPY . src/yolact_ros
RUN apt-get update \
  && rosdep update && rosdep install --from-paths src --ignore-src -y \
  && rm -rf /var/lib/apt/lists/* \
  && pip install --no-cache-dir ./src/yolact_ros \
  && pip uninstall -y yolact_ros \
  && . "/opt/ros/${ROS_DISTRO}/setup.sh" \
  && colcon build --packages-select yolact_ros

RUN printf '%s\n' '#!/bin/bash' 'set -e' \
    'source /workspace/install/setup.bash' 'exec "$@"' >/entrypoint \
  && chmod +x /entrypoint
ENTRYPOINT ["/entrypoint"]
CMD ["ros2", "launch", "yolact_ros", "segment.launch.py"]
