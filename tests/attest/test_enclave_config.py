"""The configuration of an enclave runner: one encoding, one digest, and nothing in it that may not be there."""

import dataclasses
import hashlib

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.attest.enclave_config import (
    CAPABILITIES_MAX,
    ENCLAVE_CONFIG_BYTES_MAX,
    LIMITS,
    EnclaveConfig,
    decode_enclave_config,
)
from strongroom.errors import EvidenceRejected

KEY = bytes(range(32))
CONFIG = EnclaveConfig(vault_public_key=KEY, policy_epoch=7, capabilities=("cron@1.0.0", "kv@1.0.0"))
FIELDS = {
    "profile": "strongroom/enclave-config/v1",
    "vault_public_key": KEY,
    "policy_epoch": 7,
    "limits": {
        "timeout_ms_max": 3_600_000,
        "calls_max": 10_000,
        "secrets_bytes_max": 1_048_576,
        "result_bytes_max": 5_242_880,
    },
    "capabilities": ["cron@1.0.0", "kv@1.0.0"],
}


def refused(call, *arguments):
    with pytest.raises(EvidenceRejected) as caught:
        call(*arguments)
    return caught.value.code, caught.value.check


def written(**changes):
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not ...}
    return cbor2.dumps(fields, canonical=True)


def test_it_is_written_as_one_map_and_comes_back_as_it_was():
    assert CONFIG.encode() == written()
    assert decode_enclave_config(written()) == CONFIG
    assert CONFIG.sha256() == hashlib.sha256(written()).digest()


def test_everything_in_it_changes_its_digest():
    others = (
        {"vault_public_key": bytes(32)},
        {"policy_epoch": 8},
        {"capabilities": ()},
        {"capabilities": ("*",)},
        *({"limits": {**CONFIG.limits, name: 1}} for name in LIMITS),
    )
    digests = {dataclasses.replace(CONFIG, **each).sha256() for each in others}
    assert len(digests | {CONFIG.sha256()}) == len(others) + 1


def test_guests_may_call_what_is_listed_and_a_star_alone_lists_everything():
    assert CONFIG.allows("kv@1.0.0")
    assert not CONFIG.allows("kv@1.0.1")
    assert not CONFIG.allows("*")
    assert EnclaveConfig(vault_public_key=KEY, policy_epoch=0).allows("kv@1.0.1")
    assert not EnclaveConfig(vault_public_key=KEY, policy_epoch=0, capabilities=()).allows("kv@1.0.0")


WRONG = {
    "another profile": ({"profile": "strongroom/enclave-config/v2"}, codes.UNSUPPORTED_VERSION, "profile"),
    "no profile": ({"profile": ...}, codes.MALFORMED, "keys"),
    "one key more": ({"allow_debug": 1}, codes.MALFORMED, "keys"),
    "short key": ({"vault_public_key": KEY[:31]}, codes.MALFORMED, "vault_public_key"),
    "key as text": ({"vault_public_key": "k" * 32}, codes.MALFORMED, "vault_public_key"),
    "negative epoch": ({"policy_epoch": -1}, codes.MALFORMED, "policy_epoch"),
    "epoch is a truth value": ({"policy_epoch": True}, codes.MALFORMED, "policy_epoch"),
    "no limits": ({"limits": {}}, codes.MALFORMED, "limits keys"),
    "an unknown limit": ({"limits": {**FIELDS["limits"], "memory": 1}}, codes.MALFORMED, "limits keys"),
    "limits are a list": ({"limits": [1, 2, 3, 4]}, codes.MALFORMED, "limits"),
    "a limit of nothing": ({"limits": {**FIELDS["limits"], "calls_max": 0}}, codes.MALFORMED, "limits calls_max"),
    "capabilities are a text": ({"capabilities": "*"}, codes.MALFORMED, "capabilities"),
    "a capability that is no text": ({"capabilities": [b"kv"]}, codes.MALFORMED, "capabilities 0"),
    "an empty capability": ({"capabilities": ["", "kv"]}, codes.MALFORMED, "capabilities 0"),
    "a capability that is too long": ({"capabilities": ["k" * 129]}, codes.MALFORMED, "capabilities 0"),
    "another order": ({"capabilities": ["kv", "cron"]}, codes.MALFORMED, "capabilities"),
    "one twice": ({"capabilities": ["kv", "kv"]}, codes.MALFORMED, "capabilities"),
    "a star among others": ({"capabilities": ["*", "kv"]}, codes.MALFORMED, "capabilities"),
    "too many": ({"capabilities": [f"{n:04}" for n in range(CAPABILITIES_MAX + 1)]}, None, "capabilities"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_may_not_be_so_is_refused(name):
    changes, code, check = WRONG[name]
    found = refused(decode_enclave_config, written(**changes))
    assert found[1] == f"enclave-config {check}"
    assert found[0] == (code or codes.MALFORMED)


@pytest.mark.parametrize(
    "changes",
    [
        {"vault_public_key": b""},
        {"policy_epoch": 2**64},
        {"limits": {}},
        {"capabilities": ("kv", "cron")},
        {"capabilities": ("\ud800",)},
        {"capabilities": (None,)},
    ],
    ids=["no key", "an epoch beyond 64 bits", "no limits", "another order", "half a character", "no text"],
)
def test_what_would_be_refused_is_not_written(changes):
    assert refused(dataclasses.replace(CONFIG, **changes).encode)[0] == codes.MALFORMED


def test_another_encoding_of_the_same_is_refused():
    for raw in (cbor2.dumps(FIELDS), b"\xbf" + written()[1:] + b"\xff", written() + b"\0", b"\xd9\xd9\xf7" + written()):
        assert refused(decode_enclave_config, raw) == (codes.MALFORMED, "enclave-config")
    assert refused(decode_enclave_config, cbor2.dumps([])) == (codes.MALFORMED, "enclave-config")


def test_every_cut_and_every_flipped_byte_is_refused_or_another_configuration():
    for length in range(len(written())):
        assert refused(decode_enclave_config, written()[:length])[0] == codes.MALFORMED, length
    for position in range(len(written())):
        flipped = bytearray(written())
        flipped[position] ^= 1
        try:
            found = decode_enclave_config(bytes(flipped)).sha256()
        except EvidenceRejected as error:
            found = error.code
        assert found != CONFIG.sha256(), position
        assert isinstance(found, bytes) or found in {codes.MALFORMED, codes.UNSUPPORTED_VERSION}, position


def test_size_is_looked_at_first():
    assert refused(decode_enclave_config, bytes(ENCLAVE_CONFIG_BYTES_MAX + 1)) == (
        codes.TOO_LARGE,
        "enclave-config size",
    )


def test_the_largest_that_may_be_written_may_be_read():
    full = tuple(f"{n:03}".ljust(128, "x") for n in range(CAPABILITIES_MAX))
    most = dict.fromkeys(LIMITS, 2**64 - 1)
    largest = EnclaveConfig(vault_public_key=KEY, policy_epoch=2**64 - 1, limits=most, capabilities=full)
    assert decode_enclave_config(largest.encode()) == largest
