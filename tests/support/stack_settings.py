"""Settings of a stack that a test starts in its own process: free ports, and nothing of another one's."""

from pathlib import Path

from tools.processes import free_port
from tools.settings import StackSettings


def settings_at(data: Path, *, bind_address: str = "127.0.0.1") -> StackSettings:
    """Return the settings of a stack with a Redis of its own, whose data lies in a folder."""
    return StackSettings(
        bind_address=bind_address,
        gateway_port=free_port(),
        ui_port=free_port(),
        captioner_port=free_port(),
        tagger_port=free_port(),
        editor_port=free_port(),
        redis_url="",
        data_dir=data,
    )
