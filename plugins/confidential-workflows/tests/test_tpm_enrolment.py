"""A TPM opens what the vault sealed to it and to its attestation key, and nothing else."""

import secrets
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.attest.codes import IDENTITY
from strongroom.attest.evidence import VTPM, EvidenceLimits
from strongroom.attest.tpm import verify_tpm2
from strongroom.attest.tpm_enrolment import CREDENTIAL_BYTES, challenge_ak, check_activated, enrollable_ek
from strongroom.attest.tpm_keys import parse_public
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.tpm_credential import make_credential
from strongroom.errors import EvidenceRejected
from strongroom.tpm.wire import TpmRefused
from strongroom_confidential_workflows.providers.tpm2 import TpmProvider
from strongroom_confidential_workflows.providers.tpm_keys import create_ek
from tests.fakes.pki_tpm import BOUND, NOW, ek_chain, maker
from tests.fakes.software_tpm import SoftwareTpm, needs_swtpm

pytestmark = needs_swtpm
LIMITS = EvidenceLimits()
ANCHORS = frozenset({load_certificate(maker()).fingerprint})
COORDINATE_WITH_LENGTH = 34
INTEGRITY_FAILS = 0x1DF
ENROLMENTS_IN_A_ROW = 5


@pytest.fixture
def tpm(tmp_path):
    tpm = SoftwareTpm(tmp_path).start()
    yield tpm
    tpm.stop()


@pytest.fixture
def chain(tpm):
    return certified(tpm)


@pytest.fixture
def provider(tpm, chain):
    provider = TpmProvider.open(tpm.path, registers={0}, endorsements=chain)
    yield provider
    provider.close()


def certified(tpm):
    """The chain of a TPM's endorsement key, as its maker would ship it."""
    with tpm.wire() as wire:
        public = create_ek(wire).public
    tpm.restart()
    x, y = public[-2 * COORDINATE_WITH_LENGTH + 2 : -COORDINATE_WITH_LENGTH], public[-COORDINATE_WITH_LENGTH + 2 :]
    numbers = ec.EllipticCurvePublicNumbers(*(int.from_bytes(each, "big") for each in (x, y)), ec.SECP256R1())
    return ek_chain(of=SimpleNamespace(public_key=numbers.public_key))


def key_of(chain):
    return enrollable_ek(chain, now=NOW, anchors=ANCHORS, limits=LIMITS)


def test_the_tpm_answers_with_the_credential_that_was_sealed_to_it(provider, chain):
    credential = secrets.token_bytes(CREDENTIAL_BYTES)
    challenge = challenge_ak(key_of(chain), provider.ak_public, credential, limits=LIMITS)
    answer = provider.answer_enrolment(challenge)
    check_activated(credential, answer)
    evidence = provider.collect(BOUND.report_data, BOUND.nonce, BOUND.kem_spki)
    claims = verify_tpm2(evidence, expected=BOUND, now=NOW, anchors=ANCHORS, limits=LIMITS)
    assert claims.assurance == VTPM
    assert claims.facts["ak_name"] == challenge.ak_name, "what was enrolled is what quotes"


def test_a_challenge_to_a_key_of_another_name_is_not_opened(provider, chain):
    other = b"\x00\x0b" + b"another name".ljust(32, b"\0")
    challenge = challenge_ak(key_of(chain), provider.ak_public, bytes(CREDENTIAL_BYTES), limits=LIMITS)
    id_object, secret = make_credential(key_of(chain), other, bytes(CREDENTIAL_BYTES))
    with pytest.raises(TpmRefused) as refused:
        provider.answer_enrolment(replace(challenge, id_object=id_object, encrypted_secret=secret))
    assert refused.value.response == INTEGRITY_FAILS
    assert refused.value.code == "SR-EVID-005"


def test_a_challenge_to_another_tpm_is_not_opened(provider, tmp_path):
    (tmp_path / "other").mkdir()
    other = SoftwareTpm(tmp_path / "other").start()
    try:
        theirs = key_of(certified(other))
    finally:
        other.stop()
    challenge = challenge_ak(theirs, provider.ak_public, bytes(CREDENTIAL_BYTES), limits=LIMITS)
    with pytest.raises(TpmRefused) as refused:
        provider.answer_enrolment(challenge)
    assert refused.value.response == INTEGRITY_FAILS


def test_refused_challenges_leave_nothing_in_the_tpm(provider, chain):
    good = challenge_ak(key_of(chain), provider.ak_public, b"c" * CREDENTIAL_BYTES, limits=LIMITS)
    forged = replace(good, id_object=good.id_object[:-1] + bytes([good.id_object[-1] ^ 1]))
    for _ in range(ENROLMENTS_IN_A_ROW):
        with pytest.raises(TpmRefused):
            provider.answer_enrolment(forged)
    for _ in range(ENROLMENTS_IN_A_ROW):
        assert provider.answer_enrolment(good) == b"c" * CREDENTIAL_BYTES


def test_another_answer_does_not_enrol(provider, chain):
    challenge = challenge_ak(key_of(chain), provider.ak_public, b"c" * CREDENTIAL_BYTES, limits=LIMITS)
    with pytest.raises(EvidenceRejected, match="tpm/2 enrolment") as refused:
        check_activated(b"d" * CREDENTIAL_BYTES, provider.answer_enrolment(challenge))
    assert refused.value.code == IDENTITY


def test_a_key_that_is_not_enrolled_has_another_name(provider, chain):
    challenge = challenge_ak(key_of(chain), provider.ak_public, b"c" * CREDENTIAL_BYTES, limits=LIMITS)
    weakened = provider.ak_public.replace(bytes.fromhex("00050072"), bytes.fromhex("00050472"))
    assert parse_public("tpm", weakened).name != challenge.ak_name


@pytest.mark.parametrize("field", ["id_object", "encrypted_secret"])
def test_a_challenge_that_was_changed_anywhere_is_not_opened(provider, chain, field):
    good = challenge_ak(key_of(chain), provider.ak_public, b"c" * CREDENTIAL_BYTES, limits=LIMITS)
    whole = getattr(good, field)
    for place in range(len(whole)):
        flipped = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with pytest.raises(TpmRefused):
            provider.answer_enrolment(replace(good, **{field: flipped}))
    assert provider.answer_enrolment(good) == b"c" * CREDENTIAL_BYTES
