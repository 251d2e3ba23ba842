"""Audit records are a chain: whoever changes one is found out, and the chain knows where it begins."""

import subprocess
import sys

import pytest

from strongroom.audit.chain import ChainBreak
from strongroom.plugin import Misconfigured
from strongroom_vault import audit_log
from strongroom_vault.audit_log import append_audit, verify_audit
from strongroom_vault.state import State
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner


def verify(path):
    command = [sys.executable, "-m", "strongroom_vault", "audit", "verify", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def filled(path, count=4):
    state = State(path)
    with state.transaction() as database:
        for number in range(count):
            append_audit(database, "refused", number, {"code": "SR-ATTEST-012"})
    return state


def test_the_chain_of_a_vault_holds_while_it_runs_and_after(vault):
    runner = Runner(vault)
    asked = runner.asked()
    runner.answer(asked)
    runner.answer(asked)
    path = vault.vault.state.path
    end = verify_audit(path)
    assert (end.count, end.number) == (2, 2)
    vault.close()
    told = verify(path)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == f"2 audit records hold; record 2 has the digest {end.digest.hex()}\n"
    again = Owner(vault.key_file, accepts_simulated=True)
    Runner(again, execution_id="e2" * 32).release()
    again.close()
    assert verify_audit(path).count == 3


@pytest.mark.parametrize(
    ("statement", "number"),
    [
        ("UPDATE audit SET record = (SELECT record FROM audit WHERE number = 3) WHERE number = 2", 2),
        ("UPDATE audit SET digest = zeroblob(32) WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 1", 1),
        ("UPDATE audit SET number = number + 1 WHERE number = 4", 4),
        ("INSERT INTO audit VALUES (5, x'a0', zeroblob(32))", 5),
    ],
    ids=["changed", "another digest", "one out of the middle", "the first", "renumbered", "one more"],
)
def test_a_change_is_found_where_it_was_made(tmp_path, statement, number):
    path = tmp_path / "vault.db"
    state = filled(path)
    with state.transaction() as database:
        database.execute(statement)
    with pytest.raises(ChainBreak) as caught:
        verify_audit(path)
    assert caught.value.number == number
    told = verify(path)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.startswith(f"the chain is broken at record {number}: ")
    state.close()


def test_a_shorter_chain_has_another_end(tmp_path):
    path = tmp_path / "vault.db"
    state = filled(path)
    end = verify_audit(path)
    with state.transaction() as database:
        database.execute("DELETE FROM audit WHERE number = 4")
    cut = verify_audit(path)
    assert (cut.number, cut.digest == end.digest) == (3, False)
    state.close()


def test_the_oldest_records_go_and_the_chain_begins_later(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_log, "AUDIT_RECORDS_MAX", 3)
    path = tmp_path / "vault.db"
    state = filled(path, 10)
    end = verify_audit(path)
    assert (end.count, end.number) == (3, 10)
    with state.transaction() as database:
        assert [number for (number,) in database.execute("SELECT number FROM audit")] == [8, 9, 10]
        database.execute("DELETE FROM audit WHERE number = 8")
    with pytest.raises(ChainBreak, match="record 8: it is missing"):
        verify_audit(path)
    state.close()


def test_what_is_no_state_file_is_said_so(tmp_path):
    with pytest.raises(Misconfigured, match="there is no such file"):
        verify_audit(tmp_path / "absent")
    (tmp_path / "text").write_text("x" * 5_000)
    told = verify(tmp_path / "text")
    assert told.returncode == 73
    assert "state file" in told.stderr
