"""Who a vault says it is: signed by its own key, and trusted only where that key is pinned."""

import dataclasses

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.attest.release import Signed
from strongroom.attest.vault_identity import VaultIdentity, open_identity, read_identity, sign_identity
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected

KEY = SigningKey.from_raw(bytes(range(32)))
STRANGER = SigningKey.from_raw(b"\x07" * 32)
IDENTITY = VaultIdentity(
    vault_public_key=KEY.public,
    box_public_key=b"b" * 32,
    store="production",
    vault="separate",
    policy_sha256=b"p" * 32,
    policy_epoch=7,
)
FIELDS = {
    "profile": "strongroom/vault-identity/v1",
    "vault_public_key": KEY.public,
    "box_public_key": b"b" * 32,
    "store": "production",
    "vault": "separate",
    "policy_sha256": b"p" * 32,
    "policy_epoch": 7,
}


def signed(key=KEY, **changes):
    fields = {name: value for name, value in {**FIELDS, **changes}.items() if value is not ...}
    body = cbor2.dumps(fields, canonical=True)
    return Signed(body, key.sign("vault/identity", body))


def refused(call, *arguments, **named):
    with pytest.raises(EvidenceRejected) as caught:
        call(*arguments, **named)
    return caught.value.code, caught.value.check.removeprefix("vault-identity").strip()


def test_it_is_signed_and_comes_back_as_it_was():
    assert sign_identity(IDENTITY, KEY) == signed()
    assert read_identity(signed()) == open_identity(signed(), vault_public=KEY.public) == IDENTITY
    for store in ("test", "production"):
        for vault in ("co-located", "separate"):
            other = dataclasses.replace(IDENTITY, store=store, vault=vault)
            assert open_identity(sign_identity(other, KEY), vault_public=KEY.public) == other


def test_only_the_key_that_is_pinned_is_trusted():
    theirs = signed(STRANGER, vault_public_key=STRANGER.public)
    assert read_identity(theirs).vault_public_key == STRANGER.public, "it may be shown"
    assert refused(open_identity, theirs, vault_public=KEY.public) == (codes.IDENTITY, "vault_public_key")
    assert refused(open_identity, signed(), vault_public=b"") == (codes.IDENTITY, "vault_public_key")


def test_a_stranger_cannot_sign_for_the_key_that_is_pinned():
    for forged in (
        signed(STRANGER),
        Signed(signed().body, b""),
        Signed(signed().body, bytes(64)),
        Signed(signed().body, KEY.sign("vault/challenge", signed().body)),
        Signed(signed().body, KEY.sign_raw(signed().body)),
        Signed(signed(box_public_key=b"x" * 32).body, signed().signature),
    ):
        assert refused(open_identity, forged, vault_public=KEY.public) == (codes.SIGNATURE, "signature")


WRONG = {
    "another profile": ({"profile": "strongroom/vault-identity/v2"}, codes.UNSUPPORTED_VERSION, "profile"),
    "no box key": ({"box_public_key": ...}, codes.MALFORMED, "keys"),
    "one key more": ({"note": 1}, codes.MALFORMED, "keys"),
    "a short key": ({"vault_public_key": b"k" * 31}, codes.MALFORMED, "vault_public_key"),
    "a long box key": ({"box_public_key": b"k" * 33}, codes.MALFORMED, "box_public_key"),
    "a store that there is not": ({"store": "staging"}, codes.MALFORMED, "store"),
    "a place that there is not": ({"vault": "remote"}, codes.MALFORMED, "vault"),
    "a digest as text": ({"policy_sha256": "p" * 32}, codes.MALFORMED, "policy_sha256"),
    "a negative epoch": ({"policy_epoch": -1}, codes.MALFORMED, "policy_epoch"),
    "an epoch that is a truth value": ({"policy_epoch": True}, codes.MALFORMED, "policy_epoch"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_field_that_may_not_be_so_is_refused_though_it_is_signed(name):
    changes, code, check = WRONG[name]
    assert refused(read_identity, signed(**changes)) == (code, check)


def test_what_would_be_refused_is_not_signed():
    for changes in ({"store": "staging"}, {"box_public_key": b""}, {"policy_epoch": 2**64}):
        assert refused(sign_identity, dataclasses.replace(IDENTITY, **changes), KEY)[0] == codes.MALFORMED


def test_another_encoding_is_refused_though_it_is_signed():
    for body in (cbor2.dumps(FIELDS), signed().body + b"\0", b"\xd9\xd9\xf7" + signed().body, b""):
        assert refused(read_identity, Signed(body, KEY.sign("vault/identity", body))) == (codes.MALFORMED, "")


def test_no_cut_and_no_flipped_byte_is_taken_for_the_vault_that_is_pinned():
    body, signature = signed().body, signed().signature
    for length in range(len(body)):
        assert refused(open_identity, Signed(body[:length], signature), vault_public=KEY.public)
    for position in range(len(body) + len(signature)):
        flipped = bytearray(body + signature)
        flipped[position] ^= 1
        changed = Signed(bytes(flipped[: len(body)]), bytes(flipped[len(body) :]))
        code, _check = refused(open_identity, changed, vault_public=KEY.public)
        assert code in {codes.MALFORMED, codes.UNSUPPORTED_VERSION, codes.SIGNATURE}, position


def test_size_is_looked_at_first():
    assert refused(read_identity, Signed(bytes(4097), bytes(64))) == (codes.TOO_LARGE, "size")
