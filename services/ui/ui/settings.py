"""The ui's settings, read from the environment: a field ``gateway_url`` from ``GATEWAY_URL``."""

from urllib.parse import urlsplit

from pydantic import Field

from framesense.schemas.captions import DEFAULT_GUESS_BELOW, GUESS_BELOW
from framesense.settings import HttpSettings


class UiSettings(HttpSettings):
    ui_host: str = Field(default="127.0.0.1", description="address to listen on")
    ui_port: int = Field(default=8501, ge=1, le=65535, description="port to listen on")
    gateway_url: str = Field(default="http://127.0.0.1:8000", description="where this process finds the gateway")
    public_gateway_url: str = Field(
        default="",
        description="where the browser finds the gateway; empty: on the page's host, port GATEWAY_PUBLIC_PORT",
    )
    gateway_public_port: int = Field(
        default=8000,
        ge=1,
        le=65535,
        description="the gateway's port as the browser sees it, without PUBLIC_GATEWAY_URL",
    )
    ui_max_photo_mb: int = Field(default=32, ge=1, description="largest photo of the pages, in MiB")

    guess_below: float = Field(default=DEFAULT_GUESS_BELOW, ge=0, le=1, description=GUESS_BELOW)

    def browser_gateway_url(self, page_url: str) -> str:
        """Return the gateway's address for the browser that opened ``page_url``, without a slash at its end.

        Videos, thumbnails and the player go straight between browser and gateway; inside a container network the
        address this process uses would mean nothing to them.
        """
        if self.public_gateway_url:
            return self.public_gateway_url.rstrip("/")
        page = urlsplit(page_url)
        host = page.hostname or "127.0.0.1"
        host = f"[{host}]" if ":" in host else host
        return f"{page.scheme or 'http'}://{host}:{self.gateway_public_port}"
