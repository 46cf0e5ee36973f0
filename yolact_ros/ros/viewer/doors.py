"""Which requests are let in: not those that a foreign web page makes in somebody's browser."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = ('127.0.0.1', '::1', 'localhost')


def own_names(host: str) -> frozenset[str]:
    """
    Return the names by which browsers may call a server, numeric addresses aside.

    :param host: address or name that the server listens on.
    """
    if host in LOOPBACK:
        return frozenset({'localhost'})
    machine = socket.gethostname().lower()
    return frozenset({'localhost', host.lower(), machine, f'{machine}.local'})


def refusal(path: str, headers: Mapping[str, str], names: frozenset[str]) -> str:
    """
    Return why a request is not answered, '' when it is.

    A name that is not ours may be one that was made to point here, so that a foreign page counts
    as ours (DNS rebinding); a number cannot lie. Programs other than browsers send neither an
    Origin nor Sec-Fetch-Site and are let in.

    :param names: of `own_names`.
    """
    host = headers.get('Host', '')
    if not _is_own(host, names):
        return f'{host!r} is no name of this server; use its numeric address'
    origin = headers.get('Origin')
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return f'requests from pages of {origin!r} are not answered'
    # The page itself may be linked to from anywhere: it cannot be read or framed from there.
    if path != '/' and headers.get('Sec-Fetch-Site', 'none') not in ('none', 'same-origin'):
        return 'requests from foreign pages are not answered'
    return ''


def _is_own(host: str, names: frozenset[str]) -> bool:
    """Return whether a Host header is a numeric address or one of the names."""
    try:
        name = urlsplit(f'//{host}').hostname or ''
        if name in names:
            return True
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
