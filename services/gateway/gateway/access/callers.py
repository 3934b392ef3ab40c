"""Who sent a request, and what of others' they may see."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from framesense.access.keys import ApiKey
from framesense.schemas.access import KeyLimits, Scope


@dataclass(frozen=True)
class Caller:
    """Hold who sent a request: the owner of a key, or whoever is at an address where no keys are asked for."""

    address: str = ""
    key: ApiKey | None = None

    @property
    def key_id(self) -> str:
        """The key's id; empty where there is none."""
        return self.key.id if self.key else ""

    @property
    def client(self) -> str:
        """Whose jobs the request starts: the key's, or else the address's."""
        return f"key:{self.key.id}" if self.key else self.address

    @property
    def owner(self) -> str | None:
        """The only client whose things this one may see and change; None for who may all."""
        return None if self.key is None or self.key.may(Scope.ADMIN) else self.client

    @property
    def limits(self) -> KeyLimits:
        return self.key.limits if self.key else KeyLimits()

    def sees(self, client: str) -> bool:
        """Tell whether what belongs to a client is this caller's to see."""
        return self.owner is None or self.owner == client


EVERYBODY = Caller()
"""Stands for the gateway itself, which works on everybody's jobs."""


def caller_of(request: HTTPConnection) -> Caller:
    """Return who sent a request, as the guard has found out; by its address alone where none stands in front."""
    known = getattr(request.state, "caller", None)
    return known if isinstance(known, Caller) else Caller(address_of(request))


def address_of(request: HTTPConnection) -> str:
    """Return the address that a request came from; a proxy's client's, where that proxy is trusted."""
    return request.client.host if request.client else ""
