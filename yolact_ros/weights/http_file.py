"""Fetch a large file over HTTP, going on where an earlier attempt stopped."""

from __future__ import annotations

import http.client
import re
import shutil
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from tqdm import tqdm

BLOCK = 1 << 18  # [bytes] small enough for a lively progress bar, large enough for full speed
TIMEOUT = 30.0  # [s] without a single byte
# How Hugging Face names the SHA-256 of a large file, in the answer that redirects to its store.
DIGEST_HEADER, DIGEST = 'X-Linked-Etag', re.compile(r'"?([0-9a-fA-F]{64})"?')


@dataclass(frozen=True)
class Answer:
    """
    What a server says about the file before it sends it.

    :param start: the first byte that it sends; 0 where it cannot go on in the middle.
    :param total: bytes of the whole file, None where it does not say.
    """

    start: int
    total: int | None


class _Digests(urllib.request.HTTPRedirectHandler):
    """
    Follows redirects and remembers the first SHA-256 that one of the answers names.

    :ivar found: in lower case; None where none has named one.
    """

    def __init__(self) -> None:
        self.found: str | None = None

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # noqa: D102, ANN
        self.look(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def look(self, headers: Message) -> None:
        """Read the headers of one answer; the first that names a digest counts."""
        named = DIGEST.fullmatch(headers.get(DIGEST_HEADER, ''))
        if self.found is None and named is not None:
            self.found = named[1].lower()


def fetch(url: str, part: Path) -> str | None:
    """
    Complete a partial file from a URL; what arrives stays there whatever happens.

    :param part: bytes fetched so far, may not exist yet.
    :returns: the SHA-256 that the server says the whole file has, None where it does not say.
    :raises OSError: when the server refuses, answers with a web page, or the line breaks.
    """
    have = part.stat().st_size if part.exists() else 0
    digests = _Digests()
    try:
        with _open(url, have, digests) as response:
            digests.look(response.headers)
            _receive(response, part, have, url)
        return digests.found
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            digests.look(error.headers)
            return _settle_refused_range(error, part, have, url) or digests.found
        raise OSError(f'{url} answered {error.code} {error.reason}') from error
    except urllib.error.URLError as error:
        raise OSError(f'{url} cannot be reached: {error.reason}') from error
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise OSError(f'{url}: the connection broke ({error or type(error).__name__}); run the '
                      'same command again, it goes on where it stopped') from error


def _open(url: str, have: int, redirects: _Digests) -> http.client.HTTPResponse:
    """Send the request, for the missing bytes only."""
    headers = {'User-Agent': 'yolact_ros', 'Accept-Encoding': 'identity'}
    if have:
        headers['Range'] = f'bytes={have}-'
    opener = urllib.request.build_opener(redirects)
    return opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)


def _receive(response: http.client.HTTPResponse, part: Path, have: int, url: str) -> None:
    """Append the answer's bytes to the partial file, or start it anew where the server does."""
    answer = _read_headers(response, have)
    if 'text/html' in response.headers.get('Content-Type', ''):
        raise OSError(f'{url} answered with a web page, not with a file; does the address need '
                      'a login, or is it a mirror with another layout?')
    _check_space(part, answer)
    received = answer.start
    with part.open('ab' if answer.start else 'wb') as file, tqdm(
            total=answer.total, initial=answer.start, unit='B', unit_scale=True,
            unit_divisor=1024, desc=part.name, disable=None) as bar:
        while block := response.read(BLOCK):
            file.write(block)
            received += len(block)
            bar.update(len(block))
    if answer.total is not None and received != answer.total:
        raise OSError(f'{url}: the connection broke after {received} of {answer.total} bytes; run '
                      'the same command again, it goes on where it stopped')


def _read_headers(response: http.client.HTTPResponse, have: int) -> Answer:
    """Return where the answer starts and how long the whole file is."""
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r'bytes (\d+)-\d+/(\d+|\*)',
                             response.headers.get('Content-Range', ''))
        if found is None or int(found[1]) != have:
            raise OSError(f'{response.url} sent another part of the file than byte {have} on; '
                          'delete the partial file and try again')
        return Answer(have, None if found[2] == '*' else int(found[2]))
    length = response.headers.get('Content-Length')
    return Answer(0, int(length) if length is not None else None)


def _settle_refused_range(error: urllib.error.HTTPError, part: Path, have: int,
                          url: str) -> str | None:
    """
    Decide what a partial file is that has no bytes missing: complete, or to be thrown away.

    :returns: the digest that the server names when the file is fetched anew.
    """
    total = re.fullmatch(r'bytes \*/(\d+)', error.headers.get('Content-Range', ''))
    if total is None or int(total[1]) != have:
        part.unlink()
        return fetch(url, part)
    return None


def _check_space(part: Path, answer: Answer) -> None:
    """Refuse a file that the disk cannot hold."""
    missing = (answer.total or 0) - answer.start
    free = shutil.disk_usage(part.parent).free
    if missing > free:
        raise OSError(f'{str(part.parent)!r} has {free >> 20} MB free, but {missing >> 20} MB are '
                      'still to come; make room, or point XDG_CACHE_HOME to another disk')
