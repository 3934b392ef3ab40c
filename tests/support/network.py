"""Slow and broken lines."""

from dataclasses import dataclass

from playwright.sync_api import CDPSession


@dataclass(frozen=True)
class Network:
    """The page's line to everything."""

    session: CDPSession

    def set(self, *, upload_rate: int = -1, offline: bool = False) -> None:
        """``upload_rate``: bytes a second, −1 for all there is. Going offline breaks what is being sent."""
        conditions = {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": upload_rate}
        self.session.send("Network.emulateNetworkConditions", conditions)
