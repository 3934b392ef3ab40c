"""Connecting to public addresses only: a name is resolved once, its addresses checked, and a checked one connected to.

Checking a URL before a library opens it is not enough: the name may resolve to another address by then (DNS
rebinding), and a redirect may lead anywhere. Here the check sits where the connection is made, so it holds for both.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable, Sequence

import httpcore
import httpx

Resolver = Callable[[str, int], Sequence[str]]
"""A host name and a port → its addresses. Raises OSError."""


class ForbiddenAddress(Exception):  # noqa: N818 - a refusal
    """An address that is not public; the text names it."""


def resolve(host: str, port: int) -> list[str]:
    """Resolve a host's addresses by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Tell whether an IP address is reachable by anybody.

    One that is private, loopback, link-local, multicast, reserved or shared is not, also inside an IPv6 address
    (mapped, 6to4, Teredo, NAT64).
    """
    try:
        parsed = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return False
    inner: ipaddress.IPv4Address | None = None
    if isinstance(parsed, ipaddress.IPv6Address):
        teredo = parsed.teredo
        inner = parsed.ipv4_mapped or parsed.sixtofour or (teredo[1] if teredo else None)
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None and not is_public(str(inner)):
            return False
    return inner is not None or (parsed.is_global and not parsed.is_multicast)


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class _PublicBackend(httpcore.SyncBackend):
    def __init__(self, resolver: Resolver, allowed: Callable[[str], bool]) -> None:
        self._resolver, self._allowed = resolver, allowed

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            addresses = self._resolver(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} cannot be resolved: {error}") from error
        forbidden = [address for address in addresses if not self._allowed(address)]
        if forbidden or not addresses:
            raise ForbiddenAddress(f"{host} is at {', '.join(forbidden) or 'no address'}, which is not public")
        # The checked address itself, not the name: the name is not asked again.
        return super().connect_tcp(addresses[0], port, timeout, local_address, socket_options)


def public_client(
    *, timeout: float, resolver: Resolver = resolve, allowed: Callable[[str], bool] = is_public
) -> httpx.Client:
    """Build a client that connects to ``allowed`` addresses only, whatever it is asked for or redirected to.

    Its requests raise ForbiddenAddress. Proxies of the environment are left aside: they would resolve by themselves.
    """
    transport = httpx.HTTPTransport(trust_env=False, retries=0)
    transport._pool = httpcore.ConnectionPool(  # httpx has no parameter for the network backend
        ssl_context=httpx.create_ssl_context(trust_env=False),
        max_connections=64,
        max_keepalive_connections=0,
        network_backend=_PublicBackend(resolver, allowed),
    )
    return httpx.Client(
        transport=transport,
        timeout=timeout,
        follow_redirects=True,
        max_redirects=5,
        trust_env=False,
        headers={"Accept-Encoding": "identity"},  # what arrives is what is counted
    )
