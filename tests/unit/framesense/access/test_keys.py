"""Keys in a file: made, found, revoked, and read again when another process changes them."""

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from framesense.access.keys import KeyStore, KeysUnreadableError
from framesense.schemas.access import KeyLimits, Scope


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "data" / "keys.json")


def test_a_key_is_known_by_its_text(store: KeyStore) -> None:
    key, text = store.add("alice", [Scope.SUBMIT], KeyLimits(jobs=3))
    other, another = store.add("bob", [Scope.READ])
    assert store.verify(text) == key and store.verify(another) == other
    assert key.limits.jobs == 3 and store.all() == [key, other]
    assert KeyStore(store.file).verify(text) == key


def test_the_file_holds_no_key_and_is_the_account_s_own(store: KeyStore) -> None:
    _, text = store.add("alice", [Scope.ADMIN])
    content = store.file.read_text()
    assert text not in content and text.split("_", 2)[2] not in content
    assert hashlib.sha256(text.encode()).hexdigest() in content
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.file.parent.stat().st_mode) == 0o700
    assert {path.name for path in store.file.parent.iterdir()} == {"keys.json", ".keys.json.lock"}


def test_keys_have_256_random_bits(store: KeyStore) -> None:
    texts = {store.add("alice", [Scope.READ])[1] for _ in range(20)}
    assert len(texts) == 20
    assert {len(text.split("_", 2)[2]) for text in texts} == {43}, "43 letters of base64 are 256 bits"


@pytest.mark.parametrize("change", [str.upper, lambda text: text[:-1], lambda text: f"{text}=", lambda text: ""])
def test_what_is_not_the_key_is_none(store: KeyStore, change: "type[str]") -> None:
    _, text = store.add("alice", [Scope.ADMIN])
    assert store.verify(change(text)) is None


def test_the_secret_of_one_key_is_not_another_s(store: KeyStore) -> None:
    first, text = store.add("alice", [Scope.ADMIN])
    second, _ = store.add("bob", [Scope.ADMIN])
    assert store.verify(text.replace(first.id, second.id)) is None


def test_a_revoked_key_is_none(store: KeyStore) -> None:
    key, text = store.add("alice", [Scope.ADMIN])
    assert store.revoke(key.id) == key
    assert store.verify(text) is None and store.get(key.id) is None and store.all() == []
    assert store.revoke(key.id) is None


def test_what_another_process_changes_counts_at_once(store: KeyStore) -> None:
    key, text = store.add("alice", [Scope.SUBMIT])
    assert store.verify(text)
    command = [sys.executable, "-m", "framesense.cli", "keys", "--file", str(store.file)]
    made = subprocess.run([*command, "add", "bob", "--scope", "read"], capture_output=True, text=True, check=True)
    found = store.verify(made.stdout.strip())
    assert found and found.name == "bob" and found.scopes == {Scope.READ}
    subprocess.run([*command, "revoke", key.id], check=True, capture_output=True)
    assert store.verify(text) is None


def test_two_processes_that_add_keys_lose_none(store: KeyStore) -> None:
    command = [sys.executable, "-m", "framesense.cli", "keys", "--file", str(store.file), "add"]
    running = [subprocess.Popen([*command, name], stdout=subprocess.DEVNULL) for name in ("a", "b")]
    assert [process.wait() for process in running] == [0, 0]
    assert {key.name for key in store.all()} == {"a", "b"}


def test_no_file_is_no_key(store: KeyStore) -> None:
    assert store.all() == [] and store.verify("framesense_00000000_" + 43 * "A") is None


@pytest.mark.parametrize("content", ["", "[]", "{", json.dumps({"version": 2, "keys": []}), '{"keys": [{"id": "a"}]}'])
def test_a_damaged_file_is_an_error_and_stays(store: KeyStore, content: str) -> None:
    store.add("alice", [Scope.ADMIN])
    store.file.write_text(content)
    with pytest.raises(KeysUnreadableError, match=r"keys\.json"):
        store.all()
    with pytest.raises(KeysUnreadableError):
        store.add("bob", [Scope.READ])
    assert store.file.read_text() == content


@pytest.mark.parametrize(
    ("name", "scopes"), [("", [Scope.READ]), ("a\nb", [Scope.READ]), (101 * "a", [Scope.READ]), ("a", [])]
)
def test_a_key_has_a_name_and_a_scope(store: KeyStore, name: str, scopes: list[Scope]) -> None:
    with pytest.raises(ValueError, match="a key has"):
        store.add(name, scopes)
    assert not store.file.exists()


@pytest.mark.parametrize(
    ("scope", "included"),
    [
        (Scope.READ, {Scope.READ}),
        (Scope.SUBMIT, {Scope.READ, Scope.SUBMIT}),
        (Scope.ADMIN, {Scope.READ, Scope.SUBMIT, Scope.ADMIN}),
    ],
)
def test_a_scope_includes_those_below(store: KeyStore, scope: Scope, included: set[Scope]) -> None:
    key, _ = store.add("alice", [scope])
    assert {scope for scope in Scope if key.may(scope)} == included
