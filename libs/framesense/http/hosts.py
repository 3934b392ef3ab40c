"""The host names that a service answers to.

A page on the internet may let its own name be resolved to 127.0.0.1 a moment after it was loaded (DNS rebinding): its
requests then reach services of this machine, and to the browser they are of the page's own origin. What gives them away
is the Host header, which still has the page's name.
"""

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

ANY = "*"


class AllowedHosts:
    """Know localhost, every IP address, this machine's own name, and the names given.

    An address cannot be bound to another one, so it is as good as a name that is known.

    Args:
        names: further names; ``*.example.org`` stands for all below example.org, ``*`` for any name.
        address: what the service listens on, which may be a name.
    """

    def __init__(self, names: Iterable[str] = (), *, address: str = "") -> None:
        own = {"localhost", socket.gethostname(), address}
        self._names = {name for name in map(_normal, {*own, *names}) if name}

    def allow(self, host: str) -> bool:
        """Tell whether a Host header, with its port or without, is one that this service answers to."""
        name = _normal(host_name(host) or "")
        if not name:
            return False
        if ANY in self._names or name in self._names or name.endswith(".localhost") or _is_address(name):
            return True
        parents = name.split(".")[1:]
        return any(f"*.{'.'.join(parents[start:])}" in self._names for start in range(len(parents)))


def host_name(host: str) -> str | None:
    """Return the name of a Host header, without brackets and port; None for what is no host."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:  # brackets that are no IPv6 address, a port that is no number
        return None
    return parts.hostname if parts.netloc == host and "@" not in host else None


def _normal(name: str) -> str:
    return name.strip().strip("[]").rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
