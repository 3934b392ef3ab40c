"""The unit for systemd, whatever the folder is called."""

from configparser import ConfigParser
from pathlib import Path

from tools.service import unit


def test_the_unit_runs_the_stack_in_its_folder() -> None:
    parsed = ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]
    parsed.read_string(unit("/my 100%/python", Path("/my 100%"), stop_timeout=15))
    service = parsed["Service"]
    assert service["ExecStart"] == '"/my 100%%/python" -m tools.stack run'
    assert service["WorkingDirectory"] == "/my 100%%"
    assert service["Restart"] == "always"
    assert int(service["TimeoutStopSec"]) > 8 * 15, "the parts are stopped one after another"
    assert parsed["Install"]["WantedBy"] == "default.target"
