import pytest

from worker.settings import WorkerSettings


@pytest.mark.parametrize("service", ["caption", "tagger", "editor"])
def test_the_retry_time_is_also_read_by_its_older_name(monkeypatch: pytest.MonkeyPatch, service: str) -> None:
    monkeypatch.setenv(f"WORKER_{service.upper()}_PATIENCE", "7")
    assert getattr(WorkerSettings(), f"worker_{service}_retry_seconds") == 7

    monkeypatch.setenv(f"WORKER_{service.upper()}_RETRY_SECONDS", "9")
    assert getattr(WorkerSettings(), f"worker_{service}_retry_seconds") == 9
