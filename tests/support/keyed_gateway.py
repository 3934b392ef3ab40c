"""A gateway that requires keys, and clients with keys of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from framesense.access.keys import ApiKey, KeyStore
from framesense.schemas.access import KeyLimits, Scope
from tests.support.gateway_process import Gateway, running_gateway


@dataclass(frozen=True)
class KeyedClient:
    """A client whose requests carry a key."""

    key: ApiKey
    text: str
    http: httpx.Client


@dataclass(frozen=True)
class KeyedGateway:
    gateway: Gateway
    keys: KeyStore

    @property
    def anonymous(self) -> httpx.Client:
        return self.gateway.http

    def client(self, name: str, scope: Scope, limits: KeyLimits = KeyLimits()) -> KeyedClient:
        """Make a key, and a client that sends it."""
        key, text = self.keys.add(name, [scope], limits)
        headers = {"Authorization": f"Bearer {text}"}
        return KeyedClient(key, text, httpx.Client(base_url=self.anonymous.base_url, headers=headers, timeout=30))


@contextmanager
def running_keyed_gateway(redis_url: str, folder: Path, **changes: object) -> Iterator[KeyedGateway]:
    """Run a gateway that requires keys, of which there is none yet."""
    with running_gateway(redis_url, folder, **{"require_keys": "always", **changes}) as gateway:
        yield KeyedGateway(gateway, KeyStore(gateway.settings.keys_file))
