"""The vault's half of enrolment: whom it challenges, what opens the challenge, and what is an answer.

The TPM here is one of a few lines, written from the library's specification; a real one is asked in the plugin's tests.
"""

import builtins
import hashlib
import hmac
import socket
import struct
import time

import pytest
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from strongroom.attest.cbor import canonical, decode_canonical
from strongroom.attest.codes import ALGORITHM, EXPIRED, IDENTITY, MALFORMED, TOO_LARGE
from strongroom.attest.evidence import EvidenceLimits
from strongroom.attest.tpm_enrolment import challenge_ak, check_activated, decode_challenge, enrollable_ek
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_tpm import EK, NOW, RSA_AK, ecc_public, ek_chain, key, maker, name_of

LIMITS = EvidenceLimits()
ANCHORS = frozenset({load_certificate(maker()).fingerprint})
CREDENTIAL = bytes(range(32))
EK_KEY = PublicKey(EK.public_key())


def taken(data):
    """The first sized part, and the rest."""
    size = struct.unpack_from(">H", data)[0]
    assert len(data) >= 2 + size
    return data[2 : 2 + size], data[2 + size :]


def kdf_a(secret, label, context, bits):
    message = b"\0\0\0\1" + label + b"\0" + context + struct.pack(">I", bits)
    return hmac.new(secret, message, hashlib.sha256).digest()[: bits // 8]


def activated(private, name, challenge):
    """What TPM2_ActivateCredential gives; None where the integrity does not hold."""
    secret, nothing = taken(challenge.encrypted_secret)
    assert nothing == b""
    x, rest = taken(secret)
    y, nothing = taken(rest)
    assert nothing == b""
    theirs = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), ec.SECP256R1())
    shared = private.exchange(ec.ECDH(), theirs.public_key())
    own_x = private.public_key().public_numbers().x.to_bytes(32, "big")
    seed = hashlib.sha256(b"\0\0\0\1" + shared + b"IDENTITY\0" + x + own_x).digest()
    blob, nothing = taken(challenge.id_object)
    assert nothing == b""
    integrity, encrypted = taken(blob)
    wanted = hmac.new(kdf_a(seed, b"INTEGRITY", b"", 256), encrypted + name, hashlib.sha256).digest()
    if integrity != wanted:
        return None
    cipher = Cipher(algorithms.AES(kdf_a(seed, b"STORAGE", name, 128)), CFB(bytes(16))).decryptor()
    credential, nothing = taken(cipher.update(encrypted) + cipher.finalize())
    assert nothing == b""
    return credential


def challenged(ek=EK_KEY, public=None, credential=CREDENTIAL):
    return challenge_ak(ek, ecc_public() if public is None else public, credential, limits=LIMITS)


def refusal(act):
    with pytest.raises(EvidenceRejected) as refused:
        act()
    return refused.value.code, refused.value.check


def test_the_tpm_of_the_endorsement_key_opens_the_challenge_beside_the_key_of_that_name():
    challenge = challenged()
    assert challenge.ak_name == name_of(ecc_public())
    answer = activated(EK, challenge.ak_name, challenge)
    assert answer == CREDENTIAL
    check_activated(CREDENTIAL, answer)


def test_no_other_name_and_no_other_tpm_opens_it():
    challenge = challenged()
    assert activated(EK, name_of(ecc_public(key("another ak"))), challenge) is None
    assert activated(key("another ek"), challenge.ak_name, challenge) is None


def test_each_challenge_is_encrypted_anew():
    first, second = challenged(), challenged()
    assert first.id_object != second.id_object
    assert first.encrypted_secret != second.encrypted_secret
    assert CREDENTIAL not in first.id_object


def test_a_challenge_travels_as_a_file():
    challenge = challenged()
    assert decode_challenge(challenge.encode()) == challenge


@pytest.mark.parametrize("cut", range(0, 250, 7))
def test_a_challenge_that_is_cut_is_refused(cut):
    assert refusal(lambda: decode_challenge(challenged().encode()[:cut])) == (MALFORMED, "tpm/2 challenge")


@pytest.mark.parametrize(
    "change",
    [{"profile": "strongroom/tpm-enrolment/v2"}, {"ak_name": "text"}, {"id_object": 1}, {"more": b""}],
    ids=lambda change: next(iter(change)),
)
def test_a_file_that_is_something_else_is_no_challenge(change):
    other = canonical(decode_canonical("", challenged().encode()) | change)
    assert refusal(lambda: decode_challenge(other)) == (MALFORMED, "tpm/2 challenge")


def test_a_file_that_is_larger_than_a_challenge_is_not_read():
    assert refusal(lambda: decode_challenge(bytes(1025))) == (TOO_LARGE, "tpm/2 challenge")
    assert refusal(lambda: decode_challenge(canonical([]))) == (MALFORMED, "tpm/2 challenge")


@pytest.mark.parametrize("answer", [b"", CREDENTIAL[:-1], CREDENTIAL + b"\0", bytes(32)])
def test_an_answer_that_is_not_the_credential_enrols_nothing(answer):
    assert refusal(lambda: check_activated(CREDENTIAL, answer)) == (IDENTITY, "tpm/2 enrolment")


def test_a_key_that_signs_what_others_made_up_is_not_challenged():
    unrestricted = ecc_public(attributes=0x00040072)
    assert refusal(lambda: challenged(public=unrestricted)) == (IDENTITY, "tpm/2 attributes")


@pytest.mark.parametrize("cut", range(0, len(ecc_public()), 7))
def test_a_public_area_that_is_cut_is_refused(cut):
    assert refusal(lambda: challenged(public=ecc_public()[:cut]))[0] == MALFORMED


def test_sizes_are_looked_at_first():
    assert refusal(lambda: challenged(public=bytes(4097))) == (TOO_LARGE, "tpm/1 ak_public")
    assert refusal(lambda: challenged(credential=bytes(16))) == (MALFORMED, "tpm/2 credential")


@pytest.mark.parametrize("other", [key("p384", ec.SECP384R1), RSA_AK], ids=["P-384", "RSA"])
def test_an_endorsement_key_of_another_kind_is_refused(other):
    assert refusal(lambda: challenged(ek=PublicKey(other.public_key()))) == (ALGORITHM, "tpm/2 EK")


def test_an_endorsement_key_needs_a_chain_to_a_listed_maker():
    def enrollable(chain, anchors=ANCHORS):
        return enrollable_ek(chain, now=NOW, anchors=anchors, limits=LIMITS)

    assert enrollable(ek_chain()).spki() == EK_KEY.spki()
    assert refusal(lambda: enrollable(())) == (IDENTITY, "tpm/2 EK chain")
    assert refusal(lambda: enrollable(ek_chain(), frozenset())) == (IDENTITY, "tpm/2 EK chain")
    assert refusal(lambda: enrollable(ek_chain(usages=()))) == (IDENTITY, "tpm/2 EK chain")
    expired = load_certificate(ek_chain()[0]).not_after.replace(year=2030)
    assert refusal(lambda: enrollable_ek(ek_chain(), now=expired, anchors=ANCHORS, limits=LIMITS))[0] == EXPIRED


def test_enrolment_touches_no_clock_no_file_and_no_network(monkeypatch):
    def refused(*_arguments, **_options):
        raise AssertionError("enrolment is pure")

    chain = ek_chain()
    for place, name in ((time, "time"), (time, "monotonic"), (socket, "socket"), (builtins, "open")):
        monkeypatch.setattr(place, name, refused)
    ek = enrollable_ek(chain, now=NOW, anchors=ANCHORS, limits=LIMITS)
    challenge = challenge_ak(ek, ecc_public(), CREDENTIAL, limits=LIMITS)
    check_activated(CREDENTIAL, CREDENTIAL)
    assert challenge.ak_name
