"""A vault that is killed remembers what it released, and what it gave out."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import strongroom_vault_pb2
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner

ROOT = Path(__file__).resolve().parents[3]
# Releases, writes down request and answer, and dies without a word. With "consume" it dies between nonce and release.
VICTIM = """
import os, signal, sys
from pathlib import Path
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Runner

home, how = Path(sys.argv[1]), sys.argv[2]
owner = Owner(home / "vault.key", accepts_simulated=True)
runner = Runner(owner)
asked = runner.asked()
(home / "request").write_bytes(asked.request().SerializeToString())
if how == "consume":
    owner.vault._releases._decider.decide = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
(home / "answer").write_bytes(runner.answer(asked).SerializeToString())
os.kill(os.getpid(), signal.SIGKILL)
"""


def killed(home, how):
    """What a vault that was killed had been asked, and the vault that is started after it."""
    command = [sys.executable, "-c", VICTIM, str(home), how]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    request = strongroom_vault_pb2.ReleaseRequest.FromString((home / "request").read_bytes())
    return request, Owner(home / "vault.key", accepts_simulated=True)


def test_a_release_is_on_disk_before_its_answer_leaves(tmp_path):
    request, after = killed(tmp_path, "release")
    answer = after.call("vault.release.release", request, **Runner(after).stamped())
    assert answer.SerializeToString() == (tmp_path / "answer").read_bytes()
    assert Runner(after).challenge()[1] == 2
    assert [each["event"] for each in after.audit()] == ["released", "repeated"]
    after.close()


def test_a_nonce_that_was_used_is_used_although_nothing_was_released(tmp_path):
    request, after = killed(tmp_path, "consume")
    with pytest.raises(CapabilityError, match="SR-ATTEST-013"):
        after.call("vault.release.release", request, **Runner(after).stamped())
    assert not (tmp_path / "answer").exists()
    runner = Runner(after)
    assert runner.challenge()[1] == 1
    assert runner.release() == {}
    after.close()
