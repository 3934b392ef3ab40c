"""``python -m gateway``: run the service."""

import uvicorn

from framesense.http.connections import timed_protocol
from framesense.logs import configure_logging
from gateway.access.audit import configure_audit_log
from gateway.app import create_app
from gateway.settings import GatewaySettings


def main() -> None:
    settings = GatewaySettings()
    configure_logging(settings.log_level, settings.log_format)
    configure_audit_log(settings.audit_log)
    uvicorn.run(
        create_app(settings),
        host=settings.gateway_host,
        port=settings.gateway_port,
        http=timed_protocol(settings.header_timeout, settings.max_header_bytes),
        log_config=None,
        log_level=settings.log_level.lower(),
        timeout_graceful_shutdown=5,
    )


if __name__ == "__main__":
    main()
