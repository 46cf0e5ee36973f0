"""
Measure what viewers cost the node: published rate, latency and processor time of an image.

Looks at a node with 0, 1 and 5 clients of one viewer (each takes the images and the reports), in
turns, and prints the medians. Run it with .venv/bin/python:

    yolact synth /tmp/scene --count 1 --size 1280x720 --difficulty hard
    python tools/viewer_cost.py --source /tmp/scene/images
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import aiohttp
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node

from yolact_ros.msg import InstanceMaskArray

ROOT = Path(__file__).resolve().parents[1]
SETTLE_S = 6.0  # the node's figures are those of its last 5 s
WARM_UP = 10  # images
TICKS = os.sysconf('SC_CLK_TCK')


class Observer(Node):
    """Listens to the masks, as a robot would, and to the node's figures."""

    def __init__(self) -> None:
        """Subscribe."""
        super().__init__('observer')
        self.arrays, self.latency_ms = 0, float('nan')
        self.create_subscription(InstanceMaskArray, '/yolact/instances', self._count, 1)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._read, 10)

    def _count(self, _array: InstanceMaskArray) -> None:
        """Count a published array."""
        self.arrays += 1

    def _read(self, message: DiagnosticArray) -> None:
        """Note the median latency of the last 5 s."""
        for status in message.status:
            for pair in status.values:
                if pair.key == 'latency p50 [ms]' and pair.value != '-':
                    self.latency_ms = float(pair.value)


@contextmanager
def running(script: str, *arguments: str):
    """Start one of the programs and end it afterwards."""
    process = subprocess.Popen([sys.executable, str(ROOT / 'scripts' / script), *arguments])
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


async def look(client: aiohttp.ClientSession) -> None:
    """Take images and reports as a browser does, until cancelled."""
    async with client.get('/overlay.mjpeg') as images, client.ws_connect('/reports') as reports:
        async def drain() -> None:
            async for _ in images.content.iter_any():
                pass
        draining = asyncio.create_task(drain())
        try:
            async for _ in reports:
                pass
        finally:
            draining.cancel()


async def measure(observer: Observer, node: int, viewers: int, port: int, seconds: float
                  ) -> tuple[float, float, float]:
    """Return published rate [Hz], median latency [ms] and processor time of an image [ms]."""
    async with aiohttp.ClientSession(f'http://127.0.0.1:{port}') as client:
        looking = [asyncio.create_task(look(client)) for _ in range(viewers)]
        await watch(observer, SETTLE_S)
        arrays, busy, began = observer.arrays, cpu_s(node), time.monotonic()
        await watch(observer, seconds)
        taken, count = time.monotonic() - began, observer.arrays - arrays
        for task in looking:
            task.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
    return count / taken, observer.latency_ms, 1e3 * (cpu_s(node) - busy) / max(count, 1)


async def watch(observer: Observer, seconds: float) -> None:
    """Receive for a time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        rclpy.spin_once(observer, timeout_sec=0)
        await asyncio.sleep(0.002)


def cpu_s(process: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--source', required=True,
                        help='of frame_source; a folder with one picture costs the camera least')
    parser.add_argument('--rate', type=float, default=10.0, help='of the camera [Hz]')
    parser.add_argument('--seconds', type=float, default=10.0, help='of every measurement')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--port', type=int, default=8090)
    options = parser.parse_args()
    rclpy.init()
    observer = Observer()
    found: dict[int, list[tuple[float, float, float]]] = {0: [], 1: [], 5: []}
    with ExitStack() as stack:
        node = stack.enter_context(running('segment_node'))
        stack.enter_context(running('viewer', '--port', str(options.port)))
        stack.enter_context(running('frame_source', '--ros-args', '-p', f'rate:={options.rate}',
                                    '-p', f'source:={options.source}'))
        while observer.arrays < WARM_UP:
            asyncio.run(watch(observer, 1.0))
        for _ in range(options.rounds):
            for viewers, rows in found.items():
                rows.append(asyncio.run(measure(observer, node.pid, viewers, options.port,
                                                options.seconds)))
                print(viewers, *(f'{value:.1f}' for value in rows[-1]), flush=True)
    print('viewers  published [Hz]  latency p50 [ms]  CPU an image [ms]')
    for viewers, rows in found.items():
        print(f'{viewers:7d}', *(f'{statistics.median(column):14.1f}' for column in zip(*rows)))


if __name__ == '__main__':
    main()
