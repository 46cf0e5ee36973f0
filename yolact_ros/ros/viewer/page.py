"""The page itself: one file, served with a policy under which no other script can run in it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

FILE = Path(__file__).with_name('page.html')


def read_page() -> tuple[str, dict[str, str]]:
    """Return the page as HTML and the headers that it is sent with."""
    html = FILE.read_text(encoding='utf-8')
    script, = re.findall('<script>(.*?)</script>', html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = {'default-src': "'none'", 'script-src': f"'sha256-{digest}'",
              'style-src': "'unsafe-inline'", 'img-src': "'self' data:",
              'connect-src': "'self'", 'base-uri': "'none'", 'form-action': "'none'",
              'frame-ancestors': "'none'"}
    return html, {
        'Content-Security-Policy': '; '.join(' '.join(rule) for rule in policy.items()),
        'Cross-Origin-Resource-Policy': 'same-origin', 'X-Content-Type-Options': 'nosniff',
        'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-cache'}
