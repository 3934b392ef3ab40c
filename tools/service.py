"""``make install-service``: have systemd start the stack with the user's session, or with the machine, and keep it up.

It is a unit of the user's own, for which nobody needs to be root; ``loginctl enable-linger`` has it start with the
machine, before anybody signs in.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from tools.settings import ROOT
from tools.stack import load_settings

UNIT = "framesense.service"
PARTS_STOPPED = 9
"""How many processes may take their time to stop, one after another."""


def unit(python: str, folder: Path, *, stop_timeout: float) -> str:
    """Return the unit that runs the stack of a folder with an interpreter.

    Its processes are supervisord's to start again, and supervisord is systemd's.
    """
    return f"""[Unit]
Description=Framesense
After=network.target

[Service]
Type=exec
WorkingDirectory={_escaped(str(folder))}
ExecStart="{_escaped(python)}" -m tools.stack run
Restart=always
RestartSec=5
KillMode=mixed
TimeoutStopSec={stop_timeout * PARTS_STOPPED:.0f}

[Install]
WantedBy=default.target
"""


def _escaped(text: str) -> str:
    """Escape what systemd would take for a specifier or a quote."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")


def main() -> None:
    console = Console(highlight=False, soft_wrap=True)
    settings = load_settings(console)
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNIT).write_text(unit(sys.executable, ROOT, stop_timeout=settings.stop_timeout))
    console.print(f"Wrote {folder / UNIT}.")
    enable = ["systemctl", "--user", "enable", "--now", UNIT]
    if shutil.which("systemctl"):
        reloaded = subprocess.run(["systemctl", "--user", "daemon-reload"]).returncode == 0  # noqa: S607
        if reloaded and subprocess.run(enable).returncode == 0:
            console.print(
                f"It runs: systemctl --user status {UNIT}. To start it with the machine: loginctl enable-linger"
            )
            return
    console.print(f"systemd does not answer here. Where it does: {' '.join(enable)}")


if __name__ == "__main__":
    main()
