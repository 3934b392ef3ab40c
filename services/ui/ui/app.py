"""The Streamlit application and the scripts that its components load."""

from pathlib import Path
from typing import Any

import plotly
import streamlit as st
from starlette.middleware import Middleware
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from framesense.http.browsers import BrowserGuard, BrowserPolicy
from framesense.http.hosts import AllowedHosts
from framesense.http.security_headers import SecurityHeaders
from ui.access import SignedInOnly
from ui.documents import PageDocuments
from ui.page_policy import page_policy
from ui.settings import UiSettings
from ui.shared import gateway_client

HERE = Path(__file__).parent
PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def create_app(settings: UiSettings) -> st.App:
    """Build the application: the pages, and under ``/assets`` the scripts of the components.

    Nothing is fetched from elsewhere.
    """

    async def plotly_js(_: Any) -> FileResponse:
        return FileResponse(PLOTLY_JS, media_type="text/javascript", headers={"Cache-Control": "public, max-age=3600"})

    routes = [
        Route("/assets/plotly.min.js", plotly_js),
        Mount("/assets", StaticFiles(directory=HERE / "assets")),
    ]
    browsers = BrowserPolicy(AllowedHosts(settings.allowed_hosts, address=settings.ui_host))
    middleware = [
        Middleware(BrowserGuard, policy=browsers),
        Middleware(SecurityHeaders, policy=page_policy(settings)),
        Middleware(PageDocuments),
        Middleware(SignedInOnly, gateway=gateway_client(settings.gateway_url)),
    ]
    return st.App(HERE / "home.py", routes=routes, middleware=middleware)


def streamlit_options(settings: UiSettings) -> dict[str, Any]:
    """Return the options that depend on the environment; the rest is in ``.streamlit/config.toml``."""
    return {
        "server.address": settings.ui_host,
        "server.port": settings.ui_port,
        "server.maxUploadSize": settings.ui_max_photo_mb,
    }
