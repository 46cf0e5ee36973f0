"""The viewer as a process of its own: how it starts, complains and ends."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

SCRIPT = Path(__file__).resolve().parents[3] / 'scripts' / 'viewer'
PATIENCE = 30.0  # [s], for a busy machine


@contextmanager
def running(*arguments, **environment):
    """Start the viewer; kill it at the end if it still runs."""
    process = subprocess.Popen([sys.executable, str(SCRIPT), *arguments], text=True,
                               stderr=subprocess.PIPE, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def url_of(process):
    """Return where the viewer says that it can be looked at."""
    for line in process.stderr:
        if found := re.search(r'look at (http://localhost:\d+)', line):
            return found.group(1)
    raise AssertionError('the viewer does not say where to look')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=['ctrl-c', 'terminate'])
def test_a_signal_ends_it_at_once_also_while_somebody_looks(number):
    async def look(process, url):
        async with aiohttp.ClientSession() as client:
            async with client.get(f'{url}/overlay.mjpeg'), client.ws_connect(f'{url}/reports'):
                began = time.monotonic()
                process.send_signal(number)
                status = await asyncio.to_thread(process.wait, PATIENCE)
        return status, time.monotonic() - began

    with running('--port', '0') as process:
        status, took = asyncio.run(look(process, url_of(process)))
        assert (status, process.stderr.read()) == (0, '')
    assert took < 5  # [s], on a busy machine


def test_a_port_in_use_is_one_line_with_the_cure():
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        with running('--port', str(port)) as process:
            _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert complaint == (f'cannot start: port {port} is in use on 127.0.0.1: another viewer runs, '
                         f'or something else; choose another one: --port {port + 1}\n')


def test_an_address_of_another_machine_is_refused():
    with running('--host', '192.0.2.1', '--port', '0') as process:
        _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert re.fullmatch(r'cannot start: cannot listen on 192\.0\.2\.1:0: .+\n', complaint)


@pytest.mark.parametrize('port', ['-1', '65536', 'http'])
def test_what_is_no_port_is_refused(port):
    with running(f'--port={port}') as process:
        _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert f'must be a whole number below 65536, got {port}' in complaint


def test_without_aiohttp_it_says_what_to_install(tmp_path):
    (tmp_path / 'aiohttp.py').write_text('raise ImportError("not here")')
    with running(PYTHONPATH=str(tmp_path)) as process:
        _, complaint = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "pip install 'yolact_ros[viewer]'" in complaint


def test_it_listens_only_on_this_machine_unless_told_otherwise():
    with running('--port', '0') as process:
        port = int(url_of(process).rpartition(':')[2])
        addresses = {line.split()[1] for line in Path('/proc/net/tcp').read_text().splitlines()[1:]
                     if line.split()[1].endswith(f':{port:04X}') and line.split()[3] == '0A'}
    assert addresses == {f'0100007F:{port:04X}'}
