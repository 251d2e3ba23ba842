"""Messages of a release: golden values, and every forged field refused with its code."""

import dataclasses

import pytest

from strongroom.attest import cbor
from strongroom.attest.release import (
    RELEASE_BYTES_MAX,
    ReleasedSecret,
    Signed,
    open_challenge,
    open_envelope,
    read_envelope,
    seal_secrets,
    secret_release_info,
    sign_challenge,
    sign_envelope,
)
from strongroom.crypto.hpke import KemKey, seal_message
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected, InvalidInput, Tampered
from tests.fakes import golden_release
from tests.fakes.golden_release import EXECUTION_KEY, KEM_KEY, RELEASE_ID, VAULT_KEY, golden, runtime_data

CHALLENGE = Signed(golden("challenge", "body_cbor"), golden("challenge", "signature"))
ENVELOPE = golden_release.signed_envelope()
IDS = {name: getattr(runtime_data().execution, name) for name in ("execution_id", "workflow_id", "owner")}
STRANGER = SigningKey.from_raw(b"\x07" * 32)


def challenged(message, **ids):
    return open_challenge(message, vault_public=VAULT_KEY.public, **{**IDS, **ids})


def opened(message, data=None, key=KEM_KEY):
    return open_envelope(message, vault_public=VAULT_KEY.public, data=data or runtime_data(), key=key)


def code_of(call, *arguments, **named):
    with pytest.raises(EvidenceRejected) as caught:
        call(*arguments, **named)
    return caught.value.code, caught.value.check


def forged(message, tag, field, value, key=VAULT_KEY):
    """The message with another value in a field, signed by somebody who has the key of the vault."""
    whole = cbor.decode("test", message.body)
    if value is ...:
        del whole[field]
    else:
        whole[field] = value
    body = cbor.canonical(whole)
    return Signed(body, key.sign(tag, body))


def test_the_golden_challenge_is_made_and_opened():
    assert sign_challenge(golden_release.challenge(), VAULT_KEY) == CHALLENGE
    assert challenged(CHALLENGE) == golden_release.challenge()


@pytest.mark.parametrize("name", IDS)
def test_a_challenge_for_another_execution_is_refused(name):
    assert code_of(challenged, CHALLENGE, **{name: "other"}) == ("SR-ATTEST-015", f"challenge {name}")


CHALLENGES = {
    "short nonce": ("nonce", bytes(31), "SR-ATTEST-001"),
    "nonce is text": ("nonce", "0" * 32, "SR-ATTEST-001"),
    "end is text": ("exp", "1800000060", "SR-ATTEST-001"),
    "end is a truth value": ("exp", True, "SR-ATTEST-001"),
    "other execution": ("execution_id", "ef" * 32, "SR-ATTEST-015"),
    "other workflow": ("workflow_id", "ef" * 32, "SR-ATTEST-015"),
    "other owner": ("owner", "0x22", "SR-ATTEST-015"),
    "empty owner": ("owner", "", "SR-ATTEST-001"),
    "another vault": ("vault_key_id", bytes(32), "SR-ATTEST-023"),
    "unknown field": ("more", 1, "SR-ATTEST-001"),
    "no nonce": ("nonce", ..., "SR-ATTEST-001"),
}


@pytest.mark.parametrize("case", CHALLENGES)
def test_a_challenge_with_a_forged_field_is_refused_even_when_it_is_signed(case):
    field, value, code = CHALLENGES[case]
    assert code_of(challenged, forged(CHALLENGE, "vault/challenge", field, value))[0] == code
    unsigned = forged(CHALLENGE, "vault/challenge", field, value, key=STRANGER)
    assert code_of(challenged, unsigned) == ("SR-ATTEST-006", "challenge signature")


def test_a_signature_for_another_purpose_or_by_another_key_is_none():
    for message, tag, opens in (
        (CHALLENGE, "vault/challenge", challenged),
        (ENVELOPE, "vault/envelope", opened),
    ):
        for signature in (
            STRANGER.sign(tag, message.body),
            EXECUTION_KEY.sign(tag, message.body),
            VAULT_KEY.sign("runner/pop", message.body),
            VAULT_KEY.sign_raw(message.body),
            message.signature[:-1],
            message.signature + b"\0",
            b"",
            bytes(64),
        ):
            assert code_of(opens, Signed(message.body, signature))[0] == "SR-ATTEST-006"


def test_a_message_that_is_too_large_is_refused_before_anything_else():
    assert code_of(challenged, Signed(b"\xff" * 1025, b"")) == ("SR-ATTEST-002", "challenge size")
    assert code_of(opened, Signed(bytes(RELEASE_BYTES_MAX * 2), b"")) == ("SR-ATTEST-002", "envelope size")


def test_another_encoding_is_refused_even_when_it_is_signed():
    for message, tag, opens in (
        (CHALLENGE, "vault/challenge", challenged),
        (ENVELOPE, "vault/envelope", opened),
    ):
        for body in (b"\xbf" + message.body[1:] + b"\xff", message.body + b"\0", message.body[:-1], b""):
            assert code_of(opens, Signed(body, VAULT_KEY.sign(tag, body)))[0] == "SR-ATTEST-001"


def test_every_flipped_byte_of_an_envelope_is_refused():
    for place in range(0, len(ENVELOPE.body), 7):
        mutated = bytearray(ENVELOPE.body)
        mutated[place] ^= 0x20
        assert code_of(opened, Signed(bytes(mutated), ENVELOPE.signature))[0] == "SR-ATTEST-006"


def test_the_golden_envelope_is_made_and_opened():
    assert secret_release_info(golden("runtime_data", "report_data"), RELEASE_ID) == golden("release", "hpke_info")
    assert sign_envelope(golden_release.envelope(), VAULT_KEY) == ENVELOPE
    found = opened(ENVELOPE)
    assert found.envelope == golden_release.envelope()
    assert found.secrets == golden_release.secrets()
    assert read_envelope(ENVELOPE, vault_public=VAULT_KEY.public) == found.envelope


def test_sealed_secrets_have_the_golden_plaintext_and_are_48_bytes_longer():
    sealed = seal_secrets(runtime_data(), RELEASE_ID, golden_release.secrets())
    plaintext = golden("release", "plaintext_cbor")
    assert KEM_KEY.open(sealed, info=golden("release", "hpke_info")) == plaintext
    assert len(sealed) == len(plaintext) + 48


ENVELOPES = {
    "other version": ("v", 2, "SR-ATTEST-004"),
    "version is a truth value": ("v", True, "SR-ATTEST-001"),
    "short release id": ("release_id", bytes(15), "SR-ATTEST-001"),
    "long release id": ("release_id", bytes(17), "SR-ATTEST-001"),
    "another execution": ("report_data", bytes(32), "SR-ATTEST-015"),
    "short report data": ("report_data", bytes(31), "SR-ATTEST-001"),
    "another vault": ("vault_key_id", bytes(32), "SR-ATTEST-023"),
    "negative epoch": ("policy_epoch", -1, "SR-ATTEST-001"),
    "issued is text": ("issued", "now", "SR-ATTEST-001"),
    "fewer secrets": ("secrets", [["main", "API_KEY", 1]], "SR-ATTEST-015"),
    "other version of a secret": (
        "secrets",
        [["custom-ns", "SIGNING_KEY", 4], ["main", "API_KEY", 1]],
        "SR-ATTEST-015",
    ),
    "version of a secret is text": ("secrets", [["main", "API_KEY", "1"]], "SR-ATTEST-001"),
    "unsorted secrets": ("secrets", [["main", "API_KEY", 1], ["custom-ns", "SIGNING_KEY", 3]], "SR-ATTEST-001"),
    "sealed is text": ("sealed", "sealed", "SR-ATTEST-001"),
    "sealed is too long": ("sealed", bytes(RELEASE_BYTES_MAX + 49), "SR-ATTEST-002"),
    "ear is too long": ("ear", bytes(64 * 1024 + 1), "SR-ATTEST-002"),
    "no ear": ("ear", ..., "SR-ATTEST-001"),
    "unknown field": ("more", 1, "SR-ATTEST-001"),
}


@pytest.mark.parametrize("case", ENVELOPES)
def test_an_envelope_with_a_forged_field_is_refused_even_when_it_is_signed(case):
    field, value, code = ENVELOPES[case]
    assert code_of(opened, forged(ENVELOPE, "vault/envelope", field, value))[0] == code
    unsigned = forged(ENVELOPE, "vault/envelope", field, value, key=STRANGER)
    assert code_of(opened, unsigned) == ("SR-ATTEST-006", "envelope signature")


def test_what_is_sealed_opens_only_for_its_release_its_execution_and_its_key():
    data, sealed = runtime_data(), golden("release", "sealed_example")
    other = dataclasses.replace(data, secrets=data.secrets[:1])
    envelope = golden_release.envelope()
    elsewhere = sign_envelope(dataclasses.replace(envelope, report_data=other.report_data()), VAULT_KEY)
    with pytest.raises(Tampered):
        opened(forged(ENVELOPE, "vault/envelope", "release_id", bytes(16)))
    with pytest.raises(Tampered):
        opened(elsewhere, data=other)
    with pytest.raises(Tampered):
        opened(ENVELOPE, key=KemKey.generate())
    for broken in (sealed[:-1], sealed + b"\0", sealed[:40], b"", bytes(len(sealed))):
        with pytest.raises(Tampered):
            opened(forged(ENVELOPE, "vault/envelope", "sealed", broken))


def sealed_as(value):
    """The golden envelope with another plaintext in it, by somebody who has the key of the vault."""
    plaintext = value if isinstance(value, bytes) else cbor.canonical(value)
    sealed = seal_message(KEM_KEY.public, plaintext, info=golden("release", "hpke_info"))
    return forged(ENVELOPE, "vault/envelope", "sealed", sealed)


ROWS = [["custom-ns", "SIGNING_KEY", 3, b"k3y"], ["main", "API_KEY", 1, b"s3cr3t"]]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param({"secrets": ROWS[:1]}, "SR-ATTEST-015", id="a secret missing"),
        pytest.param({"secrets": [*ROWS, ["main", "B", 1, b""]]}, "SR-ATTEST-015", id="one that was not asked for"),
        pytest.param({"secrets": ROWS[::-1]}, "SR-ATTEST-001", id="another order"),
        pytest.param({"secrets": [ROWS[0], ["main", "API_KEY", 2, b"x"]]}, "SR-ATTEST-015", id="another version"),
        pytest.param({"secrets": [ROWS[0], ["main", "API_KEY", 1, "x"]]}, "SR-ATTEST-001", id="a value that is text"),
        pytest.param({"secrets": [ROWS[0], ROWS[1][:3]]}, "SR-ATTEST-001", id="no value"),
        pytest.param({"secrets": ROWS, "more": 1}, "SR-ATTEST-001", id="an unknown field"),
        pytest.param([], "SR-ATTEST-001", id="a list"),
        pytest.param(b"\xbf\xff", "SR-ATTEST-001", id="another encoding"),
        pytest.param(
            {"secrets": [ROWS[0], ["main", "API_KEY", 1, bytes(65537)]]}, "SR-ATTEST-002", id="a value that is too long"
        ),
    ],
)
def test_a_plaintext_that_is_wrong_is_refused(value, code):
    assert code_of(opened, sealed_as(value))[0] == code


def test_an_envelope_that_agrees_with_itself_about_other_secrets_is_refused():
    more = [*ROWS, ["main", "B", 1, b"x"]]
    body = cbor.decode("test", sealed_as({"secrets": more}).body) | {"secrets": [each[:3] for each in more]}
    encoded = cbor.canonical(body)
    message = Signed(encoded, VAULT_KEY.sign("vault/envelope", encoded))
    assert code_of(opened, message) == ("SR-ATTEST-015", "release secrets")


def test_a_refusal_repeats_no_value_of_a_secret():
    with pytest.raises(EvidenceRejected) as caught:
        opened(sealed_as({"secrets": [["main", "API_KEY", "s3cr3t-v3rsion", b"s3cr3t"], "s3cr3t"]}))
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(golden_release.secrets())


def test_exactly_the_secrets_that_were_asked_for_are_sealed():
    data, secrets = runtime_data(), golden_release.secrets()
    for wrong in ([], secrets[:1], secrets[::-1], [*secrets, secrets[1]]):
        assert code_of(seal_secrets, data, RELEASE_ID, wrong) == ("SR-ATTEST-015", "release secrets")
    nothing = dataclasses.replace(data, secrets=())
    assert KEM_KEY.open(
        seal_secrets(nothing, RELEASE_ID, []), info=secret_release_info(nothing.report_data(), RELEASE_ID)
    ) == cbor.canonical({"secrets": []})


def test_a_value_and_a_release_have_a_limit():
    names = tuple(("main", f"{n:02}") for n in range(17))
    data = dataclasses.replace(runtime_data(), secrets=names)
    full = [ReleasedSecret(namespace=ns, key=key, version=1, value=bytes(64 * 1024)) for ns, key in names]
    assert code_of(seal_secrets, data, RELEASE_ID, full) == ("SR-ATTEST-002", "release size")
    fewer = dataclasses.replace(data, secrets=names[:15])
    assert len(seal_secrets(fewer, RELEASE_ID, full[:15])) > 15 * 64 * 1024
    one = dataclasses.replace(data, secrets=names[:1])
    large = [dataclasses.replace(full[0], value=bytes(64 * 1024 + 1))]
    assert code_of(seal_secrets, one, RELEASE_ID, large)[0] == "SR-ATTEST-002"


def test_nothing_is_sealed_to_a_key_under_which_anybody_could_open_it():
    with pytest.raises(InvalidInput) as caught:
        seal_secrets(dataclasses.replace(runtime_data(), kem_pub=bytes(32)), RELEASE_ID, golden_release.secrets())
    assert caught.value.code == "SR-HPKE-002"


def test_what_would_be_refused_is_not_signed_either():
    challenge, envelope = golden_release.challenge(), golden_release.envelope()
    assert code_of(sign_challenge, dataclasses.replace(challenge, nonce=b""), VAULT_KEY)[0] == "SR-ATTEST-001"
    assert code_of(sign_envelope, dataclasses.replace(envelope, release_id=b""), VAULT_KEY)[0] == "SR-ATTEST-001"
