"""The vault's own file: for one vault, one user and one program, and nothing leaves unless it could be written."""

import sqlite3
from contextlib import suppress
from hashlib import sha256

import pytest

from strongroom.plugin import CapabilityError, Misconfigured, Unavailable
from strongroom_vault.audit_log import append_audit
from strongroom_vault.releases import find_release
from strongroom_vault.state import State
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner

API_KEY = ("main", "API_KEY")


def fill(vault):
    """Let the file grow no further, as on a full disk."""
    with vault.vault.state.transaction() as database:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
    with suppress(Unavailable):  # what is left in the pages that are there
        while True:
            note(vault)


def note(vault):
    with vault.vault.state.transaction() as database:
        append_audit(database, "filler", 0, {"text": "x" * 40})


def make_room(vault):
    with vault.vault.state.transaction() as database:
        database.execute("PRAGMA max_page_count = 1000000")


def test_a_release_that_cannot_be_recorded_does_not_happen(stocked):
    runner = Runner(stocked, secrets=(API_KEY,))
    stocked.put_manifest(runner.grant(API_KEY))
    asked = runner.asked()
    fill(stocked)
    before = stocked.audit()
    with pytest.raises(CapabilityError, match="SR-VAULT-006.*disk is full.*nothing was released") as caught:
        runner.answer(asked)
    assert (caught.value.origin, caught.value.name) == ("System", "Unavailable")
    assert stocked.audit() == before
    with stocked.vault.state.transaction() as database:
        assert find_release(database, sha256(asked.data.encode()).digest()) is None
    assert stocked.vault.insecure_releases == 0
    make_room(stocked)
    with pytest.raises(CapabilityError, match="SR-ATTEST-013"):
        runner.answer(asked)
    assert runner.release() == {API_KEY: b"s3cret"}


def test_a_refusal_that_cannot_be_recorded_is_still_one(stocked, caplog):
    runner = Runner(stocked, secrets=(API_KEY,))
    asked = runner.asked()
    fill(stocked)
    with pytest.raises(CapabilityError, match="SR-ATTEST-030"):
        runner.answer(asked)
    assert "a refusal is missing in the audit records" in caplog.text


def test_a_secret_that_cannot_be_written_is_not_said_to_be(vault):
    vault.create("SMALL", b"v")
    fill(vault)
    with pytest.raises(CapabilityError, match="SR-VAULT-006") as caught:
        [vault.create(f"K{number}", b"v" * 1_900) for number in range(5)]
    assert caught.value.name == "Unavailable"


def test_one_vault_at_a_time_has_a_file(vault):
    with pytest.raises(Misconfigured, match="another vault has it open") as caught:
        Owner(vault.key_file)
    assert caught.value.code == "SR-VAULT-005"
    vault.close()
    Owner(vault.key_file).close()


def test_nobody_else_reads_the_files_of_a_state(vault):
    vault.create("K", b"v")
    made = [path for path in vault.key_file.parent.iterdir() if path.name.startswith("vault.db")]
    assert {path.name for path in made} == {"vault.db", "vault.db-wal", "vault.db-shm", "vault.db.lock"}
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}


def test_the_directory_of_a_state_is_made(tmp_path):
    path = tmp_path / "vault" / "vault.db"
    State(path).close()
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604], ids=oct)
def test_a_state_that_others_can_read_is_refused(tmp_path, mode):
    path = tmp_path / "vault.db"
    State(path).close()
    path.chmod(mode)
    with pytest.raises(Misconfigured, match="others can read it"):
        State(path)


def foreign(path):
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE x (y)")
    database.commit()
    database.close()


def newer(path):
    State(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b"x" * 8_192), "not a database"),
        (foreign, "no file of a vault"),
        (newer, "its version is 99, and this vault knows 1"),
        (lambda path: path.mkdir(), "not a regular file"),
        (lambda path: path.symlink_to("elsewhere"), "not a regular file"),
    ],
    ids=["no database", "another program", "a newer version", "a directory", "a link"],
)
def test_what_is_no_state_is_not_touched(tmp_path, make, reason):
    path = tmp_path / "vault.db"
    make(path)
    if path.is_file():
        path.chmod(0o600)
    content = path.read_bytes() if path.is_file() else b""
    with pytest.raises(Misconfigured, match=reason) as caught:
        State(path)
    assert caught.value.code == "SR-VAULT-005"
    assert (path.read_bytes() if path.is_file() else b"") == content


def twice(state, then):
    with state.transaction() as database:
        database.execute("INSERT INTO floors VALUES ('x', 1)")
        then(database)


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    state = State(tmp_path / "vault.db")
    with pytest.raises(KeyError):
        twice(state, lambda _: {}["absent"])
    with pytest.raises(Unavailable, match="cannot use its state file"):
        twice(state, lambda database: database.execute("INSERT INTO floors VALUES ('x', 1)"))
    with state.transaction() as database:
        assert database.execute("SELECT count(*) FROM floors").fetchone() == (0,)
    state.close()


def test_writes_are_synced_before_they_return(tmp_path):
    state = State(tmp_path / "vault.db")
    with state.transaction() as database:
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    state.close()
