"""What a secret asks for is sealed with it, and the vault holds every reader to it."""

import pytest

from strongroom.attest.secret_entry import ENTRY_OVERHEAD_BYTES_MAX, PREFIX, SecretEntry
from strongroom.crypto.box import BoxKey
from strongroom.plugin import CapabilityError
from strongroom.plugin.messages import strongroom_vault_pb2
from strongroom_vault.limits import CIPHERTEXT_BYTES_MAX, VALUE_BYTES_MAX
from tests.fakes.vault_home import production_home
from tests.fakes.vault_owner import ALICE, ALICE_SUMMED, BOB, Owner

KEY = BoxKey.generate()


@pytest.fixture
def production(tmp_path):
    owner = Owner(production_home(tmp_path / "home"), mode="serve")
    yield owner
    owner.close()


def shown(status):
    return status.present, status.version, status.min_assurance, status.test_only, status.error


@pytest.mark.parametrize("min_assurance", ["local", "none", "vtpm-untrusted", "vtpm", "hardware"])
def test_a_run_without_evidence_reads_what_asks_for_nothing_more(vault, min_assurance):
    assert vault.create("K", vault.entry("K", b"v", min_assurance=min_assurance)) == ""
    (answer,) = vault.get("K", to=[KEY.public_hex])
    if min_assurance == "local":
        assert KEY.open(bytes.fromhex(answer.data.encrypted_decryption_key_shares[0].shares[0])) == b"v"
    else:
        assert answer.error.startswith(f"main/K asks for assurance {min_assurance}, so only a confidential run")
        assert not answer.HasField("data")
    assert shown(vault.status("K")[0]) == (True, 1, min_assurance, True, "")


def test_a_plain_value_gets_what_is_usual_in_its_store(vault, production):
    vault.create("K", b"v")
    assert shown(vault.status("K")[0]) == (True, 1, "local", True, "")
    production.create("K", b"v")
    assert shown(production.status("K")[0]) == (True, 1, "hardware", False, "")
    assert "asks for assurance hardware" in production.get("K", to=[KEY.public_hex])[0].error


def test_each_kind_of_store_keeps_its_own_kind_of_secrets(vault, production):
    for write in ("create", "update"):
        refusal = getattr(vault, write)("K", vault.entry("K", b"v", is_test_only=False))
        assert refusal == "this vault is for tests, and keeps only secrets that were made with --test-only"
        refusal = getattr(production, write)("K", production.entry("K", b"v", is_test_only=True))
        assert refusal == "this vault keeps production secrets, and this one was made with --test-only"
    assert production.create("K", production.entry("K", b"v", min_assurance="local", is_test_only=False)) == ""
    assert production.get("K", to=[KEY.public_hex])[0].error == ""


@pytest.mark.parametrize(
    "sealed_for",
    [{"owner": BOB}, {"namespace": "other"}, {"key": "OTHER"}],
    ids=["another owner", "another namespace", "another key"],
)
def test_a_sealed_entry_is_stored_under_its_own_name_only(vault, sealed_for):
    entry = vault.entry(sealed_for.pop("key", "K"), b"v", **sealed_for)
    reason = "the value was sealed for another owner, namespace or key: seal it again for this one"
    assert vault.create("K", entry) == reason
    vault.create("K", b"v")
    assert vault.update("K", entry) == reason


@pytest.mark.parametrize(
    ("opened", "reason"),
    [
        (PREFIX, "the sealed entry is wrong: evidence refused at secret"),
        (PREFIX + b"\xa0", "keys"),
        (PREFIX + b"not CBOR", "the sealed entry is wrong"),
    ],
    ids=["nothing", "an empty map", "no CBOR"],
)
def test_an_entry_that_is_none_is_refused(vault, opened, reason):
    assert reason in vault.create("K", opened)
    assert vault.names() == []


def test_the_value_of_an_entry_has_the_limit_of_a_plain_one(vault):
    assert vault.create("FITS", vault.entry("FITS", b"v" * VALUE_BYTES_MAX)) == ""
    entry = SecretEntry(owner=ALICE, namespace="main", key="BIG", value=b"v" * (VALUE_BYTES_MAX + 1), is_test_only=True)
    refusal = vault.create("BIG", vault.sealed(entry.encode(bytes_max=4_000)))
    assert "1953 bytes, wanted at most 1952" in refusal
    limit = CIPHERTEXT_BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX
    reason = f"encrypted_value: {limit + 1} bytes of ciphertext is more than {limit}"
    assert vault.create("HUGE", "00" * (limit + 1)) == reason


def test_the_value_of_an_entry_is_text(vault):
    assert "is not UTF-8 text" in vault.create("K", vault.entry("K", b"\xff"))


def test_an_update_may_ask_for_more_or_less(vault):
    vault.create("K", vault.entry("K", b"v", min_assurance="local"))
    assert vault.update("K", vault.entry("K", b"v", min_assurance="hardware")) == ""
    assert shown(vault.status("K")[0]) == (True, 2, "hardware", True, "")


def test_the_status_of_a_secret_is_its_owner_s(vault):
    vault.create("K", b"v")
    there, absent = vault.status("K", "ABSENT", caller=f"0x{ALICE}")
    assert (there.present, there.id.owner) == (True, ALICE_SUMMED)
    assert shown(absent) == (False, 0, "", False, "")
    (foreign,) = vault.status("K", caller=f"0x{BOB}")
    assert (foreign.present, foreign.error[:29]) == (False, "owner is not the owner of the")
    with pytest.raises(CapabilityError, match="11 is more than 10"):
        vault.status(*"abcdefghijk")
    with pytest.raises(CapabilityError, match="names no secret"):
        vault.call("vault.secrets.status", strongroom_vault_pb2.SecretStatusRequest())
