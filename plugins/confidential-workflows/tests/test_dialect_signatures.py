"""Signatures of nodes: what is signed, who signed, and how many are enough."""

import json
import struct
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from strongroom.crypto.signing import SigningKey
from strongroom.plugin import Forbidden
from strongroom_confidential_workflows.dialect.signatures import (
    COMPUTE_DOMAIN,
    CONFIG_DOMAIN,
    RELAY_DOMAIN,
    Signature,
    agreed_hash,
    check_signers,
    is_signed_by,
    sign,
    signers_of,
    signing_payload,
)

VECTORS = json.loads((Path(__file__).parents[3] / "tests" / "vectors" / "dialect.json").read_text())
REQUEST_HASH = bytes.fromhex(VECTORS["hashes"]["compute_request_0_0_6"])
KEYS = [SigningKey.from_raw(bytes([number]) * 32) for number in range(1, 5)]
SIGNERS = [key.public for key in KEYS]
STRANGER = SigningKey.from_raw(b"x" * 32)
ONE, OTHER = b"1" * 32, b"2" * 32


def second_payload(domain, message):
    """The second implementation."""
    name = domain.encode()
    head = b"\x20" * 64 + b"ragep2p arbitrary message signing\x00" + struct.pack(">Q", len(name)) + name
    if len(message) > 1024:
        return head + b"\x01" + sha256(message).digest()
    return head + b"\x00" + struct.pack(">Q", len(message)) + message


@pytest.mark.parametrize(
    ("domain", "message", "size", "digest"),
    [
        (COMPUTE_DOMAIN, REQUEST_HASH, 176, "0aef7670074931e096aa65cde0121a1b076009688e82e30c312953789365a84a"),
        (RELAY_DOMAIN, b"a" * 1025, 166, "23db815b1e17ea901c6c68188e2a41ddafd132fd2a4a153534cda349b8a3bdd0"),
    ],
    ids=["in full", "by its digest"],
)
def test_signature_payload_uses_the_expected_prefix(domain, message, size, digest):
    payload = signing_payload(domain, message)
    assert payload.startswith(b" " * 64 + b"ragep2p arbitrary message signing\x00")
    assert (len(payload), sha256(payload).hexdigest()) == (size, digest)


@given(st.sampled_from([COMPUTE_DOMAIN, CONFIG_DOMAIN, RELAY_DOMAIN, "", "d"]), st.binary(max_size=64), st.booleans())
def test_any_payload_is_that_of_a_second_implementation(domain, message, long):
    message += bytes(1020 if long else 0)
    assert signing_payload(domain, message) == second_payload(domain, message)


@given(st.text("ab", max_size=3), st.binary(max_size=3), st.text("ab", max_size=3), st.binary(max_size=3))
def test_two_messages_have_one_payload_only_when_domain_and_message_are_equal(domain, message, other, another):
    same = (domain, message) == (other, another)
    assert (signing_payload(domain, message) == signing_payload(other, another)) == same


@pytest.mark.parametrize("name", VECTORS["signatures"])
def test_signatures_are_those_of_a_plain_ed25519(name):
    vector = VECTORS["signatures"][name]
    message, seed = bytes.fromhex(vector["message"]), bytes.fromhex(vector["seed"])
    plain = Ed25519PrivateKey.from_private_bytes(seed).sign(second_payload(vector["domain"], message))
    found = sign(SigningKey.from_raw(seed), vector["domain"], message)
    assert found.signature == plain == bytes.fromhex(vector["signature"])
    assert found.signer.hex() == vector["signer"]


def test_a_signature_is_for_one_domain_one_message_and_one_key():
    made = sign(KEYS[0], COMPUTE_DOMAIN, ONE)
    assert is_signed_by(made.signer, COMPUTE_DOMAIN, ONE, made.signature)
    assert not is_signed_by(made.signer, RELAY_DOMAIN, ONE, made.signature)
    assert not is_signed_by(made.signer, COMPUTE_DOMAIN, OTHER, made.signature)
    assert not is_signed_by(SIGNERS[1], COMPUTE_DOMAIN, ONE, made.signature)


@pytest.mark.parametrize("signer", [b"", bytes(31), b"\xff" * 32], ids=["empty", "short", "no point"])
def test_what_is_no_key_has_signed_nothing(signer):
    assert not is_signed_by(signer, COMPUTE_DOMAIN, ONE, sign(KEYS[0], COMPUTE_DOMAIN, ONE).signature)


def test_signers_are_found_by_their_signatures_and_bad_ones_are_skipped():
    good = [sign(key, COMPUTE_DOMAIN, ONE).signature for key in KEYS[:2]]
    bad = [
        b"",
        bytes(64),
        sign(STRANGER, COMPUTE_DOMAIN, ONE).signature,
        sign(KEYS[2], COMPUTE_DOMAIN, OTHER).signature,
    ]
    assert signers_of(COMPUTE_DOMAIN, ONE, [*bad, *good], SIGNERS) == frozenset(SIGNERS[:2])


def test_a_signer_counts_once_however_often_it_signs_or_is_listed():
    made = sign(KEYS[0], COMPUTE_DOMAIN, ONE).signature
    found = signers_of(COMPUTE_DOMAIN, ONE, [made, made], [SIGNERS[0]] * 3)
    assert found == frozenset(SIGNERS[:1])
    with pytest.raises(Forbidden) as caught:
        check_signers(found, f=1)
    assert str(caught.value) == "1 distinct valid signers are too few: F is 1, so 2 are needed"


def test_f_plus_one_signers_are_enough_and_f_are_not():
    check_signers(frozenset(SIGNERS[:2]), f=1)
    with pytest.raises(Forbidden):
        check_signers(frozenset(SIGNERS[:2]), f=2)
    with pytest.raises(Forbidden):
        check_signers(frozenset(), f=0)


def answers(**who):
    """Answers by hash, signed by the keys of these numbers."""
    names = {"one": ONE, "other": OTHER}
    return {names[name]: [sign(KEYS[number], RELAY_DOMAIN, names[name]) for number in who[name]] for name in who}


def test_the_answer_of_f_plus_one_distinct_signers_is_taken():
    assert agreed_hash(answers(one=[0], other=[1, 2]), SIGNERS, f=1) == OTHER


def test_bad_signatures_are_skipped_and_not_fatal():
    given_ = answers(one=[0, 1])
    given_[ONE] = [
        Signature(SIGNERS[3], bytes(64)),
        Signature(b"no key", b""),
        sign(STRANGER, RELAY_DOMAIN, ONE),
        *given_[ONE],
    ]
    assert agreed_hash(given_, SIGNERS, f=1) == ONE


@pytest.mark.parametrize(
    "given_",
    [
        {},
        answers(one=[0, 0], other=[1]),
        {ONE: [sign(KEYS[0], RELAY_DOMAIN, ONE), sign(STRANGER, RELAY_DOMAIN, ONE)]},
        {ONE: [sign(KEYS[0], RELAY_DOMAIN, ONE), Signature(SIGNERS[1], sign(KEYS[0], RELAY_DOMAIN, ONE).signature)]},
        {ONE: [sign(KEYS[0], COMPUTE_DOMAIN, ONE), sign(KEYS[1], COMPUTE_DOMAIN, ONE)]},
    ],
    ids=["no answer", "one signer twice", "a stranger", "one signature under two names", "another domain"],
)
def test_an_answer_with_too_few_signers_is_not_taken(given_):
    with pytest.raises(Forbidden) as caught:
        agreed_hash(given_, SIGNERS, f=1)
    assert caught.value.code == "SR-DIAL-004"


def test_two_answers_with_enough_signers_contradict_each_other():
    with pytest.raises(Forbidden) as caught:
        agreed_hash(answers(one=[0, 1], other=[1, 2]), SIGNERS, f=1)
    assert caught.value.code == "SR-DIAL-003"
