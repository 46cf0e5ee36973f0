"""A headless Chromium, driven by its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import aiohttp

PROGRAM = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which(
    'google-chrome')
PATIENCE = 40.0  # [s], for a busy machine


class Page:
    """One page of the browser."""

    def __init__(self, loop, socket):
        self._loop, self._socket, self._number = loop, socket, 0

    def call(self, method, **parameters):
        """Return what a method of the protocol answers."""
        return self._loop.run_until_complete(self._call(method, parameters))

    async def _call(self, method, parameters):
        self._number += 1
        await self._socket.send_json(
            {'id': self._number, 'method': method, 'params': parameters})
        while True:
            answer = json.loads(await self._socket.receive_str(timeout=PATIENCE))
            if answer.get('id') == self._number:
                assert 'error' not in answer, answer
                return answer['result']

    def evaluate(self, expression):
        """Return the value of a JavaScript expression, also of a promise."""
        answer = self.call('Runtime.evaluate', expression=expression, awaitPromise=True,
                           returnByValue=True)
        assert 'exceptionDetails' not in answer, answer['exceptionDetails']
        return answer['result'].get('value')

    def wait(self, expression, wanted=lambda value: value):
        """Return the first value of an expression that is wanted, or fail."""
        deadline = time.monotonic() + PATIENCE
        while not wanted(value := self.evaluate(expression)):
            assert time.monotonic() < deadline, f'{expression} is still {value!r}'
            time.sleep(0.05)
        return value

    def go(self, url):
        """Show another page."""
        self.call('Page.navigate', url=url)
        self.wait(f'location.href.startsWith({url!r}) && document.readyState != "loading"')

    def click(self, selector, across=0.5):
        """Click on an element, as far across it as a number in [0, 1] says."""
        x, y = self.evaluate(
            f'(() => {{ const box = document.querySelector({selector!r}); '
            'box.scrollIntoView({block: "center"}); const at = box.getBoundingClientRect(); '
            f'return [at.x + {across} * at.width, at.y + at.height / 2]; }})()')
        for kind in ('mousePressed', 'mouseReleased'):
            self.call('Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left',
                      clickCount=1)

    def type(self, selector, text):
        """Type into a field and press Enter."""
        self.click(selector)
        self.call('Input.insertText', text=text)
        for kind in ('rawKeyDown', 'char', 'keyUp'):
            self.call('Input.dispatchKeyEvent', type=kind, key='Enter', code='Enter', text='\r',
                      windowsVirtualKeyCode=13)

    def look(self, width, height, scheme='light', mobile=False):
        """Set the size of the window and whether the user likes it dark."""
        self.call('Emulation.setDeviceMetricsOverride', width=width, height=height,
                  deviceScaleFactor=1, mobile=mobile)
        self.call('Emulation.setEmulatedMedia',
                  features=[{'name': 'prefers-color-scheme', 'value': scheme}])

    def screenshot(self, whole=False):
        """Return the window, or the whole page, as PNG."""
        answer = self.call('Page.captureScreenshot', format='png', captureBeyondViewport=whole)
        return base64.b64decode(answer['data'])


@contextmanager
def open_browser(folder: Path):
    """Return the page of a browser whose files go into a folder."""
    browser = subprocess.Popen(
        [PROGRAM, '--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run',
         '--hide-scrollbars', '--disable-dev-shm-usage', '--remote-debugging-port=0',
         f'--user-data-dir={folder}', 'about:blank'],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    loop = asyncio.new_event_loop()
    try:
        port = _debugging_port(browser, folder / 'DevToolsActivePort')
        session, socket = loop.run_until_complete(_connect(port))
        try:
            yield Page(loop, socket)
        finally:
            loop.run_until_complete(session.close())
    finally:
        browser.terminate()
        browser.wait(PATIENCE)
        loop.close()


def _debugging_port(browser, path):
    deadline = time.monotonic() + PATIENCE
    while not path.is_file() or len(path.read_text().split()) < 2:
        assert browser.poll() is None, 'the browser does not start'
        assert time.monotonic() < deadline, 'the browser does not open its port'
        time.sleep(0.05)
    return int(path.read_text().split()[0])


async def _connect(port):
    session = aiohttp.ClientSession()
    async with session.get(f'http://127.0.0.1:{port}/json/list') as answer:
        pages = [each for each in await answer.json() if each['type'] == 'page']
    return session, await session.ws_connect(pages[0]['webSocketDebuggerUrl'], max_msg_size=0)
