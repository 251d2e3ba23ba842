"""A TPM that goes back is noticed, also after the vault was started again."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from strongroom.attest.runtime_data import prove_possession
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.public_keys import PublicKey
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import strongroom_vault_pb2
from tests.fakes import pki_tpm
from tests.fakes.vault_owner import Owner
from tests.fakes.vault_runner import Asked, Runner

REGISTERS = {str(number): value.hex() for number, value in pki_tpm.PCRS.items()}


def started(tmp_path):
    return Owner(tmp_path / "vault.key", accepts_simulated=True, development_pcrs=REGISTERS)


def quoted(vault, number, resets, restarts):
    """A runner and its release, with a quote that has these counters."""
    runner = Runner(vault, execution_id=f"{number:064x}")
    data = runner.data(*runner.challenge(), kind="insecure-swtpm")
    body = pki_tpm.quoted(extra_data=data.report_data(), reset_count=resets, restart_count=restarts)
    authority = DevelopmentAuthority.load(vault.key_file.with_name("development-ca.key"))
    leaf = authority.certify(PublicKey(pki_tpm.AK.public_key()), now=datetime.now(UTC))
    evidence = strongroom_vault_pb2.Evidence(
        kind="insecure-swtpm", media_type="application/cbor", body=body, endorsements=[leaf, authority.certificate]
    )
    return runner, Asked(data, evidence, prove_possession(data.encode(), runner.key))


def release(vault, number, resets, restarts):
    runner, asked = quoted(vault, number, resets, restarts)
    return runner.answer(asked)


@pytest.fixture
def vault(tmp_path):
    owner = started(tmp_path)
    yield owner
    owner.close()


def test_counters_may_stay_or_grow(vault):
    for number, counts in enumerate([(4, 2), (4, 2), (4, 3), (5, 0)]):
        assert release(vault, number, *counts)


@pytest.mark.parametrize("counts", [(4, 1), (3, 9)], ids=["restarts", "resets"])
def test_counters_that_went_back_are_refused_also_after_a_restart(vault, tmp_path, counts):
    release(vault, 1, 4, 2)
    with pytest.raises(CapabilityError, match="SR-ATTEST-011.*counters"):
        release(vault, 2, *counts)
    vault.close()
    again = started(tmp_path)
    with pytest.raises(CapabilityError, match="SR-ATTEST-011.*counters"):
        release(again, 3, *counts)
    again.close()


def test_the_counters_of_a_refused_release_are_not_remembered(vault):
    runner, asked = quoted(vault, 1, 9, 9)
    asked.data = runner.data(*runner.challenge(), kind="insecure-swtpm")
    with pytest.raises(CapabilityError, match="SR-ATTEST-033"):
        runner.answer(asked)
    assert release(vault, 2, 4, 2)


def test_evidence_that_was_used_is_not_used_again(vault):
    """Evidence is bound to its runtime data; that it is not taken twice is a second fence, tried here from behind."""
    release(vault, 1, 4, 2)
    with vault.vault.state.transaction() as database:
        (digest,) = database.execute("SELECT sha256 FROM evidence").fetchone()
    assert len(digest) == 32
    runner, asked = quoted(vault, 2, 4, 2)

    with vault.vault.state.transaction() as database:
        now_s = int(datetime.now(UTC).timestamp())
        database.execute("INSERT INTO evidence VALUES (?, ?)", (sha256(asked.evidence.body).digest(), now_s))
    with pytest.raises(CapabilityError, match="SR-ATTEST-011: evidence refused at evidence: .*used in another release"):
        runner.answer(asked)
    assert vault.audit()[-1]["code"] == "SR-ATTEST-011"
