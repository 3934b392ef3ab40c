"""The origins whose pages may call a service from a browser."""

from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from framesense.http.hosts import ANY, host_name

_PORTS = {"http": 80, "https": 443}


class AllowedOrigins:
    """Know the service's own origin, those on ``ports`` of its own host, and those listed.

    Args:
        listed: origins as browsers write them, such as ``https://studio.example.org``; ``*`` for any.
        ports: of the same host, for pages that another process serves.
    """

    def __init__(self, listed: Iterable[str] = (), *, ports: Iterable[int] = ()) -> None:
        self.listed, self._ports = frozenset(listed), frozenset(ports)

    def allow(self, origin: str, host: str) -> bool:
        """Tell whether a page of ``origin`` may make a request whose Host header is ``host``.

        A scheme says nothing here: a proxy in front may speak TLS where the service does not.
        """
        return ANY in self.listed or origin in self.listed or self.own(origin, host)

    def own(self, origin: str, host: str) -> bool:
        """Tell whether ``origin`` is the service's own, or at one of its ports on the same host."""
        found = _split(origin)
        if found is None or found.hostname is None or found.hostname != host_name(host):
            return False
        port = found.port or _PORTS[found.scheme]
        return port in self._ports or port == _port_of(host, found.scheme)


def _split(origin: str) -> SplitResult | None:
    try:
        parts = urlsplit(origin)
        _ = parts.port
    except ValueError:
        return None
    return parts if parts.scheme in _PORTS and not parts.path else None


def _port_of(host: str, scheme: str) -> int:
    return urlsplit(f"//{host}").port or _PORTS[scheme]
