"""Fetching files from servers that behave and servers that do not."""

import hashlib
import http.server
import threading
from contextlib import contextmanager

import pytest

from yolact_ros.files import sha256_of
from yolact_ros.weights import http_file
from yolact_ros.weights.http_file import fetch

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT the way the server's `manner` says."""

    def do_GET(self):  # noqa: N802
        self.server.ranges.append(self.headers.get('Range'))
        getattr(self, self.server.manner)()

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace('_', '-'), value)
        self.end_headers()
        self.wfile.write(body)

    def plain(self):
        self._send(200, CONTENT, Content_Length=str(len(CONTENT)))

    def without_length(self):
        self._send(200, CONTENT)

    def with_ranges(self):
        asked = self.headers.get('Range')
        if asked is None:
            self.plain()
            return
        start, total = int(asked.removeprefix('bytes=').rstrip('-')), len(CONTENT)
        if start >= total:
            self._send(416, b'', Content_Range=f'bytes */{total}')
            return
        self._send(206, CONTENT[start:], Content_Length=str(total - start),
                   Content_Range=f'bytes {start}-{total - 1}/{total}')

    def breaking_off(self):
        self._send(200, CONTENT[:3000], Content_Length=str(len(CONTENT)))

    def wrong_range(self):
        self._send(206, CONTENT[5:], Content_Range=f'bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}')

    def web_page(self):
        self._send(200, b'<html>sign in</html>', Content_Type='text/html; charset=utf-8')

    def missing(self):
        self._send(404, b'nothing here')

    def redirect(self):
        self.server.manner = 'with_ranges'
        self._send(302, b'', Location='/elsewhere')

    def hub(self):
        self.server.manner = 'store'
        self._send(302, b'', Location='/store', X_Linked_Etag=f'"{DIGEST.upper()}"',
                   ETag='"0123"')

    def store(self):  # its word about its own file must not count
        self.server.manner = 'hub'
        asked = self.headers.get('Range', 'bytes=0-')
        if int(asked.removeprefix('bytes=').rstrip('-')) >= len(CONTENT):
            self._send(416, b'', Content_Range=f'bytes */{len(CONTENT)}')
            return
        self._send(200, CONTENT, X_Linked_Etag=f'"{"0" * 64}"')

    def git_etag(self):
        self._send(200, CONTENT, ETag=f'"{"a" * 40}"', X_Linked_Etag=f'"{"a" * 40}"')

    def huge(self):
        self._send(200, b'', Content_Length=str(1 << 60))

    def log_message(self, *_):
        pass


@contextmanager
def serving(manner: str):
    """Yield a local server."""
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.manner, server.ranges = manner, []
    server.url = f'http://127.0.0.1:{server.server_port}/file.pth'
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize('manner', ['plain', 'with_ranges', 'without_length', 'redirect'])
def test_a_file_arrives_whole(tmp_path, manner):
    with serving(manner) as server:
        fetch(server.url, tmp_path / 'part')
    assert (tmp_path / 'part').read_bytes() == CONTENT


@pytest.mark.parametrize('have', [b'', CONTENT[:1000], CONTENT, CONTENT + b'more'],
                         ids=['nothing', 'a part', 'all', 'too much'])
def test_the_digest_is_what_the_first_answer_names(tmp_path, have):
    (tmp_path / 'part').write_bytes(have)
    with serving('hub') as server:
        assert fetch(server.url, tmp_path / 'part') == DIGEST
    assert sha256_of(tmp_path / 'part') == DIGEST


@pytest.mark.parametrize('manner', ['plain', 'redirect', 'git_etag'])
def test_without_a_sha256_no_digest_is_made_up(tmp_path, manner):
    with serving(manner) as server:
        assert fetch(server.url, tmp_path / 'part') is None


@pytest.mark.parametrize('manner', ['with_ranges', 'redirect'])
def test_only_the_missing_bytes_are_asked_for(tmp_path, manner):
    (tmp_path / 'part').write_bytes(CONTENT[:1000])
    with serving(manner) as server:
        fetch(server.url, tmp_path / 'part')
    assert set(server.ranges) == {'bytes=1000-'}
    assert (tmp_path / 'part').read_bytes() == CONTENT


def test_a_server_that_cannot_go_on_in_the_middle_starts_anew(tmp_path):
    (tmp_path / 'part').write_bytes(b'other bytes than the servers')
    with serving('plain') as server:
        fetch(server.url, tmp_path / 'part')
    assert (tmp_path / 'part').read_bytes() == CONTENT


def test_a_file_that_is_already_complete_is_left_as_it_is(tmp_path):
    (tmp_path / 'part').write_bytes(CONTENT)
    with serving('with_ranges') as server:
        fetch(server.url, tmp_path / 'part')
    assert (tmp_path / 'part').read_bytes() == CONTENT
    assert len(server.ranges) == 1


def test_a_partial_file_longer_than_the_servers_is_fetched_anew(tmp_path):
    (tmp_path / 'part').write_bytes(CONTENT + b'more')
    with serving('with_ranges') as server:
        fetch(server.url, tmp_path / 'part')
    assert (tmp_path / 'part').read_bytes() == CONTENT


def test_a_broken_connection_keeps_what_came_and_the_next_run_goes_on(tmp_path):
    with serving('breaking_off') as server:
        with pytest.raises(OSError, match='broke after 3000 of 10240 bytes; run the same'):
            fetch(server.url, tmp_path / 'part')
        assert (tmp_path / 'part').read_bytes() == CONTENT[:3000]
        server.manner = 'with_ranges'
        fetch(server.url, tmp_path / 'part')
    assert (tmp_path / 'part').read_bytes() == CONTENT


@pytest.mark.parametrize(('manner', 'message'), [
    ('missing', 'answered 404 Not Found'), ('web_page', 'answered with a web page'),
    ('wrong_range', 'sent another part of the file than byte 1000'),
    ('huge', 'MB free, but .* MB are still to come')])
def test_a_useless_answer_is_named_and_the_partial_file_stays(tmp_path, manner, message):
    (tmp_path / 'part').write_bytes(CONTENT[:1000])
    with serving(manner) as server, pytest.raises(OSError, match=message):
        fetch(server.url, tmp_path / 'part')
    assert (tmp_path / 'part').read_bytes() == CONTENT[:1000]


def test_a_server_that_is_not_there_is_named(tmp_path):
    with serving('plain') as server:
        url = server.url
    with pytest.raises(OSError, match=r'http://127.0.0.1.* cannot be reached: .*refused'):
        fetch(url, tmp_path / 'part')


def test_a_server_that_falls_silent_is_given_up(tmp_path, monkeypatch):
    released = threading.Event()

    def silent(handler):
        released.wait(10)

    monkeypatch.setattr(Handler, 'silent', silent, raising=False)
    monkeypatch.setattr(http_file, 'TIMEOUT', 0.1)
    with serving('silent') as server:
        with pytest.raises(OSError, match='timed out'):
            fetch(server.url, tmp_path / 'part')
        released.set()
