"""What a runner accepts of its vault, and what a host between the two can do about it: nothing but refuse service."""

import hashlib
from importlib.metadata import version

import pytest

from strongroom.attest.receipt import decode_receipt
from strongroom.attest.runtime_data import decode_runtime_data
from strongroom.attest.software import KIND
from tests.fakes.attested_runner import DIGEST, DONE, Guest, executed
from tests.fakes.enclave_host import EXECUTION, WORKFLOW, subscribing, triggered
from tests.fakes.releasing_vault import ReleasingVault
from tests.fakes.vault_owner import ALICE


@pytest.fixture
def vault(tmp_path):
    made = ReleasingVault(tmp_path / "vault")
    made.create("A", b"s3cret")
    return made


def test_a_sound_vault_releases_and_the_receipt_names_it(vault):
    guest = Guest()
    finished = executed(vault, guest=guest)
    assert (finished.outcome, finished.result) == ("result", DONE)
    assert guest.values == ["s3cret"]
    receipt = decode_receipt(finished.receipt)
    assert receipt.vault_public_key == vault.key.public
    assert decode_runtime_data(receipt.runtime_data) == vault.released[0]


def test_what_is_attested_is_what_runs(vault):
    executed(vault)
    (data,) = vault.released
    serialized = triggered().SerializeToString()
    empty = hashlib.sha256(b"").digest()
    execution = data.execution
    assert (execution.workflow_id, execution.owner, execution.execution_id) == (WORKFLOW, f"0x{ALICE}", EXECUTION)
    assert (execution.attempt, execution.binary_sha256.hex()) == (1, DIGEST)
    assert execution.request_sha256 == hashlib.sha256(serialized).digest()
    assert {execution.config_sha256, execution.requirements_sha256, execution.restrictions_sha256} == {empty}
    assert (data.kind, data.secrets) == (KIND, (("main", "A"),))
    assert data.enclave_config_sha256 == vault.enclave_config.sha256()


def test_every_execution_has_keys_of_its_own(vault):
    executed(vault)
    executed(vault)
    assert len({each.kem_pub for each in vault.released} | {each.sig_pub for each in vault.released}) == 4
    assert [each.execution.attempt for each in vault.released] == [1, 2]


def test_subscribing_attests_under_an_id_that_the_runner_draws(vault):
    for _ in range(2):
        executed(vault, asked=subscribing(), granted=(("main", "A"),))
    ids = {each.execution.execution_id for each in vault.released}
    assert len(ids) == 2
    assert all(len(bytes.fromhex(each)) == 32 for each in ids)
    assert {each.secrets for each in vault.released} == {(("main", "A"),)}


def test_subscribing_asks_for_those_of_the_named_secrets_that_are_there(vault):
    guest = Guest()
    executed(vault, asked=subscribing(), secrets=["A", "B"], granted=(("main", "C"),), guest=guest)
    assert vault.released[0].secrets == ()
    assert guest.values == [""]


@pytest.mark.parametrize(("secrets", "asked"), [(["A"], "A"), ((), "G")], ids=["a list", "no list"])
def test_a_list_is_asked_for_and_without_one_what_is_granted(vault, secrets, asked):
    vault.create("G", b"v")
    executed(vault, secrets=secrets, granted=(("main", "G"),))
    assert vault.released[0].secrets == (("main", asked),)


def test_the_build_that_is_attested_is_the_installed_one(vault):
    executed(vault)
    name = "strongroom-confidential-workflows"
    assert vault.released[0].runner.build == f"{name} {version(name)}"
    assert vault.released[0].runner.svn >= 1
