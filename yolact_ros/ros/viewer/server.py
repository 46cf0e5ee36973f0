"""The web server: one page, a stream of images, a stream of reports, and a door for changes."""

from __future__ import annotations

import asyncio
import errno
import json
import secrets
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import TimeoutError as Late
from typing import Any

from aiohttp import web

from yolact_ros.ros.viewer.audience import Audience, Slot
from yolact_ros.ros.viewer.doors import own_names, refusal
from yolact_ros.ros.viewer.page import read_page

LARGEST_REQUEST = 16 * 1024  # [bytes]
BOUNDARY = secrets.token_hex(16)  # long: it must not occur in an image
# Ends an image and begins the next one at once: browsers show an image only then.
BETWEEN = f'\r\n--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n'.encode()
STUCK_S = 10.0  # a viewer that takes nothing for so long has gone
LOOK_ROUND_S = 1.0  # how soon a viewer who left while nothing came is noticed
REPORT_PERIOD_S = 0.1  # nobody reads a table faster
SEND_BUFFER = 128 * 1024  # [bytes]; a slow viewer must not get images of some seconds ago
ANSWER_S = 5.0
STOP_S = 2.0

Set = Callable[[str, Any, Callable[[str], None]], None]


class Server:
    """
    Serves the page on a thread of its own.

    What is shown comes by `tell`, from any thread; two audiences say who looks at it.
    """

    def __init__(self, host: str, port: int, follow: Callable[[], None], set_parameter: Set
                 ) -> None:
        """
        Prepare; `start` begins to listen.

        :param follow: called, on the server's thread, when somebody begins or all cease to look.
        :param set_parameter: takes name, value and who gets the reason of a refusal, '' for none.
        """
        self._host, self._port, self._set = host, port, set_parameter
        self.images = Audience(follow)
        self.reports = Audience(follow, keeps=('page', 'parameters'))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name='web server',
                                        daemon=True)
        self._runner: web.AppRunner | None = None
        self._page, self._page_headers = read_page()

    def start(self) -> None:
        """
        Listen.

        :raises OSError: when the address cannot be had, with the cure.
        """
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise OSError(f'cannot listen on {self._host}:{self._port}: '
                              f'{error.strerror}') from error
            raise OSError(f'port {self._port} is in use on {self._host}: another viewer runs, or '
                          f'something else; choose another one: --port {self._port + 1}') \
                from error

    @property
    def port(self) -> int:
        """Return the port that is listened on."""
        assert self._runner is not None, 'start it first'
        return self._runner.addresses[0][1]

    def stop(self) -> bool:
        """Send everybody home; return whether that ended in time."""
        if not self._thread.is_alive():
            return True
        try:
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(STOP_S)
        except Late:
            return False
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_S)
        return not self._thread.is_alive()

    def tell(self, kind: str, thing: Any) -> None:
        """Show something to those who look, from any thread."""
        audience = self.images if kind == 'image' else self.reports
        self._loop.call_soon_threadsafe(audience.tell, kind, thing)

    async def _listen(self) -> None:
        """Open the port."""
        app = web.Application(client_max_size=LARGEST_REQUEST,
                              middlewares=[_doorkeeper(own_names(self._host))])
        app.add_routes([web.get('/', self._send_page),
                        web.get('/overlay.mjpeg', self._stream_images),
                        web.get('/reports', self._stream_reports),
                        web.post('/parameter', self._change)])
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def _close(self) -> None:
        """End all streams, then close the port."""
        await self.images.send_home()
        await self.reports.send_home()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _send_page(self, _request: web.Request) -> web.Response:
        """Send the page."""
        return web.Response(text=self._page, content_type='text/html', headers=self._page_headers)

    async def _stream_images(self, request: web.Request) -> web.StreamResponse:
        """Send every image, or of those that came while the viewer was busy the newest."""
        response = web.StreamResponse(headers={
            'Content-Type': f'multipart/x-mixed-replace; boundary={BOUNDARY}',
            'Cache-Control': 'no-store'})
        await response.prepare(request)
        _keep_little(request)
        with self.images.join() as slot:
            try:
                await response.write(BETWEEN)
                while request.transport is not None and not request.transport.is_closing():
                    for jpeg in (await slot.take(LOOK_ROUND_S)).values():
                        await asyncio.wait_for(response.write(jpeg + BETWEEN), STUCK_S)
            except (ConnectionError, asyncio.TimeoutError):
                _hang_up(request)
        return response

    async def _stream_reports(self, request: web.Request) -> web.WebSocketResponse:
        """Send the newest reports as they come."""
        viewer = web.WebSocketResponse(heartbeat=STUCK_S, max_msg_size=LARGEST_REQUEST)
        await viewer.prepare(request)
        with self.reports.join() as slot:
            sending = asyncio.create_task(_send_reports(viewer, slot))
            try:
                async for _ in viewer:  # nothing is expected of it but its end
                    pass
            finally:
                sending.cancel()
        return viewer

    async def _change(self, request: web.Request) -> web.Response:
        """Set a parameter of the node and answer with the reason of its refusal."""
        try:
            is_json = request.content_type == 'application/json'
            wish: Any = await request.json() if is_json else None
            name, value = str(wish['name']), wish['value']
        except (ValueError, TypeError, KeyError):
            return _answer('send JSON: {"name": "score_threshold", "value": 0.5}', 400)
        answer: asyncio.Future[str] = self._loop.create_future()

        def take(reason: str) -> None:
            if not answer.done():
                answer.set_result(reason)

        def tell(reason: str) -> None:
            self._loop.call_soon_threadsafe(take, reason)

        self._set(name, value, tell)
        try:
            return _answer(await asyncio.wait_for(answer, ANSWER_S))
        except asyncio.TimeoutError:
            return _answer(f'the node has not answered for {ANSWER_S:g} s', 504)


async def _send_reports(viewer: web.WebSocketResponse, slot: Slot) -> None:
    """Send what comes until told to stop or the viewer is gone."""
    while not viewer.closed:
        things = await slot.take(STUCK_S)
        if things:
            try:
                await viewer.send_str(json.dumps(things))
            except (ConnectionError, RuntimeError):  # it is just closing
                return
            await asyncio.sleep(REPORT_PERIOD_S)


def _answer(reason: str, status: int = 200) -> web.Response:
    """Return the answer to a change."""
    return web.json_response({'refusal': reason}, status=status)


def _doorkeeper(names: frozenset[str]) -> Any:
    """Return what looks at every request before it is answered."""
    @web.middleware
    async def look(request: web.Request,
                   handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
                   ) -> web.StreamResponse:
        """Answer, or say why not."""
        reason = refusal(request.path, request.headers, names)
        return web.Response(text=reason + '\n', status=403) if reason else await handler(request)
    return look


def _keep_little(request: web.Request) -> None:
    """Let the kernel keep less than an image or two for a viewer that is slow to fetch them."""
    connection = request.transport.get_extra_info('socket') if request.transport else None
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


def _hang_up(request: web.Request) -> None:
    """End a connection without waiting for what is still to be sent."""
    if request.transport is not None:
        request.transport.abort()
