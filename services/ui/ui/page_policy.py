"""What a browser may load for these pages, and from where: this server and the gateway, nothing else."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import streamlit
from starlette.datastructures import Headers

from framesense.http.hosts import host_name
from framesense.http.security_headers import Policy, policy_text
from ui.settings import UiSettings

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def page_policy(settings: UiSettings) -> Policy:
    """Return what writes the Content-Security-Policy of a page for the host that it was opened at.

    Streamlit styles its elements inline, and imports the scripts of components from blobs that it makes of them; both
    have to be allowed. Scripts in the page's own text are not, but for the one of Streamlit's own page.
    """

    def policy(headers: Headers) -> str:
        host = headers.get("host", "")
        gateway = _source(
            settings.browser_gateway_url(f"http://{host}"), known_scheme=bool(settings.public_gateway_url)
        )
        return policy_text(
            {
                "default-src": "'self'",
                "script-src": f"'self' blob: {_own_inline_scripts()}",
                "style-src": "'self' 'unsafe-inline'",
                "img-src": f"'self' data: blob: {gateway}",
                "media-src": f"'self' data: blob: {gateway}",
                "font-src": "'self' data:",
                "connect-src": f"'self' {_sockets(host)} data: blob: {gateway}",
                "worker-src": "'self' blob:",
                "object-src": "'none'",
                "base-uri": "'self'",
                "form-action": "'self'",
                "frame-ancestors": "'none'",
            }
        )

    return policy


def _source(address: str, *, known_scheme: bool) -> str:
    """Write an address as a source. Where a proxy in front may speak TLS, the scheme is left to be the page's own."""
    parts = urlsplit(address)
    if ":" in (parts.hostname or ""):  # an IPv6 address: sources have no way to write one
        return "http: https:"
    return f"{parts.scheme}://{parts.netloc}" if known_scheme else parts.netloc


def _sockets(host: str) -> str:
    """Write the WebSockets of a host as sources, which some browsers do not count to 'self'."""
    return "ws: wss:" if ":" in (host_name(host) or ":") else f"ws://{host} wss://{host}"


@cache
def _own_inline_scripts() -> str:
    """Write the hashes of the inline scripts in the page that Streamlit serves."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    digests = [hashlib.sha256(script.encode()).digest() for script in _INLINE_SCRIPT.findall(page)]
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
