"""Keys and sessions, as far as their owners see them."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, SecretStr

SESSION_COOKIE = "framesense-session"
"""The gateway sets it, and the UI passes it on: to a browser both are of one site, as ports do not count."""


class Scope(StrEnum):
    """What a key may do, the least first: ``submit`` includes ``read``, and ``admin`` everything."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


class KeyLimits(BaseModel):
    """Limits of one key; None for none."""

    model_config = ConfigDict(frozen=True)

    jobs: int | None = Field(default=None, ge=1, description="unfinished jobs at once")
    requests: int | None = Field(default=None, ge=1, description="requests a minute")
    bytes: int | None = Field(default=None, ge=0, description="bytes of the files stored for its jobs and uploads")


class KeyInfo(BaseModel):
    """A key, as whoever shows it sees it."""

    id: str
    name: str = Field(description="as whoever made it called it")
    scopes: list[Scope]
    limits: KeyLimits = KeyLimits()


class NewSession(BaseModel):
    """A key to sign in with."""

    model_config = ConfigDict(extra="forbid")

    key: SecretStr = Field(
        min_length=1, max_length=200, description="as `framesense keys add` shows it once", examples=["framesense_…"]
    )


class Session(BaseModel):
    """Who one is."""

    required: bool = Field(description="whether this gateway asks for keys at all")
    key: KeyInfo | None = Field(default=None, description="the key that the request shows, if it shows one")
