"""Python runs this before anything else when its folder is on PYTHONPATH: no socket may leave this machine.

What a process tries all the same fails, and is written to the file that NETWORK_GUARD names.
"""

import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import Any

sys.modules["uvloop"] = None  # type: ignore[assignment]  # its sockets are libuv's, which Python's audit does not see


def _loopback(host: Any) -> bool:
    if host in (None, "", "localhost", b"localhost", socket.gethostname()):
        return True
    try:
        address = ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
    except ValueError:
        return False  # a name: asking for its address is a question to another machine already
    return address.is_loopback or address.is_unspecified


def _guard(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if address is None or isinstance(address, str | bytes):  # a Unix socket, or one connected before
            return
        host = address[0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not _loopback(host):
        _note(f"{event} {host}")
        raise PermissionError(f"{event} {host}: this test allows the loopback address only")


def _note(line: str) -> None:
    with Path(os.environ["NETWORK_GUARD"]).open("a") as log:
        log.write(f"{line} by {' '.join(sys.orig_argv)}\n")


_note("guarded")
sys.addaudithook(_guard)
