"""``framesense keys``."""

from pathlib import Path

import pytest

from framesense.access.keys import KeyStore
from framesense.cli.__main__ import main
from framesense.schemas.access import KeyLimits, Scope


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KeyStore:
    monkeypatch.chdir(tmp_path)
    for name in ("KEYS_FILE", "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return KeyStore(tmp_path / "data" / "keys.json")


def test_a_key_is_made_shown_once_listed_and_revoked(store: KeyStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["keys", "add", "alice", "--scope", "submit", "--scope", "read", "--jobs", "3", "--requests", "60"]) == 0
    )
    printed = capsys.readouterr()
    key = store.verify(printed.out.strip())
    assert key and key.name == "alice" and key.scopes == {Scope.READ, Scope.SUBMIT}
    assert key.limits == KeyLimits(jobs=3, requests=60)
    assert printed.out.strip() not in printed.err

    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert (
        key.id in listed and "read,submit  alice  jobs 3  requests 60" in listed and printed.out.strip() not in listed
    )

    assert main(["keys", "revoke", key.id]) == 0
    assert main(["keys", "revoke", key.id]) == 1
    assert "framesense keys list" in capsys.readouterr().err
    assert store.all() == []
    assert main(["keys", "list"]) == 0
    assert "framesense keys add" in capsys.readouterr().err


def test_a_key_submits_unless_told_otherwise(store: KeyStore) -> None:
    main(["keys", "add", "alice"])
    assert [key.scopes for key in store.all()] == [{Scope.SUBMIT}]


@pytest.mark.parametrize("where", ["KEYS_FILE=elsewhere/keys.json", "DATA_DIR=elsewhere"])
def test_the_file_is_where_the_gateway_is_told_it(store: KeyStore, tmp_path: Path, where: str) -> None:
    (tmp_path / ".env").write_text(f"{where}\n")
    main(["keys", "add", "alice"])
    assert len(KeyStore(tmp_path / "elsewhere" / "keys.json").all()) == 1 and not store.file.exists()


def test_what_cannot_be_is_said(store: KeyStore, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["keys", "add", "alice", "--scope", "everything"])
    assert main(["keys", "add", " "]) == 2
    store.file.parent.mkdir()
    store.file.write_text("{")
    assert main(["keys", "list"]) == 2 and "cannot be read" in caplog.text
