"""Simulated evidence: what it says of itself, and that it is refused for the same reasons as the real thing."""

import builtins
import socket
import time
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom.attest import codes
from strongroom.attest.anchors import PINNED
from strongroom.attest.evidence import INSECURE, EvidenceLimits
from strongroom.attest.software import software_evidence
from strongroom.crypto import dev_authority
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.public_keys import PublicKey
from strongroom.errors import EvidenceRejected
from tests.fakes.pki_software import (
    BOUND,
    CLAIMS,
    KEY,
    MEASUREMENT,
    NOW,
    OTHER_KEY,
    Forged,
    authority,
    certified,
    evidence,
    refused,
    verified,
)

WHOLE = Forged().body()


def genuine():
    return software_evidence(
        BOUND.report_data,
        BOUND.nonce,
        measurement=MEASUREMENT,
        key=KEY,
        certificate=certified(),
        authority=authority().certificate,
    )


def test_simulated_evidence_is_bound_and_assures_nothing():
    claims = verified(genuine())
    assert (claims.kind, claims.assurance, claims.is_bound) == ("insecure-software", "none", True)
    assert claims.evidence == genuine().body
    assert claims.facts == {
        "nonce": BOUND.nonce,
        "report_data": BOUND.report_data,
        "measurement": MEASUREMENT,
        "swname": INSECURE,
        "dbgstat": 0,
        "eat_profile": "tag:strongroom,2026:insecure-software/1",
        "anchor": authority().fingerprint,
    }


def test_the_evidence_has_the_form_of_the_contract():
    claims = verified(Forged().evidence())
    assert claims.facts == verified(genuine()).facts
    body = genuine().body
    assert body.startswith(b"\xd2\x84")
    assert INSECURE.encode() in body


def test_without_a_binding_nothing_is_bound():
    assert not verified(Forged({**CLAIMS, 10: bytes(32)}).evidence(), expected=None).is_bound


@pytest.mark.parametrize("label", sorted(CLAIMS))
@pytest.mark.parametrize("value", [..., None, 1, True, "text", b"", bytes(31), bytes(33), [b"r" * 32]], ids=ascii)
def test_a_claim_that_is_not_as_it_must_be_is_refused(label, value):
    claims = {name: each for name, each in {**CLAIMS, label: value}.items() if each is not ...}
    code = codes.UNSUPPORTED_VERSION if (label, value) == (265, "text") else codes.MALFORMED
    refused(Forged(claims).evidence(), code, expected=None)


@pytest.mark.parametrize(
    "claims",
    [{**CLAIMS, 1: 1}, {**CLAIMS, "10": 1}, {**CLAIMS, 263: False}, {**CLAIMS, 270: INSECURE.lower()}, {}, [], None, 1],
    ids=["another claim", "as text", "a truth value", "another name", "none", "array", "null", "number"],
)
def test_other_claims_are_malformed(claims):
    refused(Forged(claims).evidence(), codes.MALFORMED, "payload")


PAYLOAD = cbor2.dumps(CLAIMS, canonical=True)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        PAYLOAD + b"\0",
        b"\xb8\x06" + PAYLOAD[1:],
        b"\xbf" + PAYLOAD[1:] + b"\xff",
        b"\xa7" + PAYLOAD[1:] + cbor2.dumps(10) + cbor2.dumps(b"n" * 32),
        PAYLOAD.replace(b"\x0a\x58\x20", b"\x18\x0a\x58\x20", 1),
        PAYLOAD.replace(b"\x58\x20n", b"\x59\x00\x20n", 1),
        cbor2.dumps(dict(reversed(cbor2.loads(PAYLOAD).items()))),
        b"\xc0" + PAYLOAD,
    ],
    ids=["empty", "a byte after it", "long", "indefinite", "twice", "long label", "long string", "order", "tag"],
)
def test_another_encoding_of_the_claims_is_malformed(payload):
    refused(Forged(payload=payload).evidence(), codes.MALFORMED, "payload")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({1: -8}, codes.MALFORMED),
        ({33: certified()}, codes.MALFORMED),
        ({1: -8, 33: certified(), 4: b"id"}, codes.MALFORMED),
        ({1: -8, 33: [certified()]}, codes.MALFORMED),
        ({1: -8, 33: b""}, codes.MALFORMED),
        ({1: -8, 33: b"no DER"}, codes.MALFORMED),
        ([], codes.MALFORMED),
        ({1: -7, 33: certified()}, codes.ALGORITHM),
        ({1: -35, 33: certified()}, codes.ALGORITHM),
        ({1: "EdDSA", 33: certified()}, codes.ALGORITHM),
        ({1: None, 33: certified()}, codes.ALGORITHM),
    ],
    ids=[
        *("no certificate", "no algorithm", "a key id", "certificate in a list", "empty certificate", "no DER"),
        *("a list", "ES256", "ES384", "algorithm as text", "algorithm null"),
    ],
)
def test_another_header_is_refused(header, code):
    refused(Forged(header=header).evidence(), code)


def test_the_header_has_one_encoding():
    header = cbor2.dumps({33: certified(), 1: -8})
    refused(Forged(protected=header).evidence(), codes.MALFORMED, "header")


def test_an_untagged_document_is_malformed():
    refused(evidence(Forged().body(tag=b"")), codes.MALFORMED, "structure")


@pytest.mark.parametrize(
    "endorsements", [(), (b"",), (b"no DER",), (authority().certificate,) * 2], ids=["none", "empty", "no DER", "two"]
)
def test_without_the_one_certificate_of_the_authority_there_is_no_chain(endorsements):
    code = codes.MALFORMED if len(endorsements) == 1 else codes.CHAIN
    refused(Forged().evidence(endorsements=endorsements), code)


def test_an_authority_that_no_policy_names_is_refused():
    refused(Forged().evidence(), codes.ANCHOR, "anchor", anchors=frozenset())
    refused(Forged().evidence(), codes.ANCHOR, "anchor", anchors=frozenset().union(*PINNED.values()))


def test_a_certificate_of_another_authority_is_refused_whichever_is_sent_along():
    other = DevelopmentAuthority.generate(now=NOW)
    forged = Forged(header={1: -8, 33: certified(by=other)})
    refused(forged.evidence(), codes.CHAIN, "chain")
    refused(forged.evidence(endorsements=(other.certificate,)), codes.ANCHOR, "anchor")


def test_what_the_authority_certified_is_no_authority():
    leaf = certified()
    forged = Forged(header={1: -8, 33: certified(OTHER_KEY)}, signer=OTHER_KEY).evidence(endorsements=(leaf,))
    refused(forged, codes.ANCHOR)
    refused(forged, codes.CHAIN, "chain", anchors=frozenset({sha256(leaf).hexdigest()}))


def test_the_authority_itself_is_no_attester():
    refused(Forged(header={1: -8, 33: authority().certificate}).evidence(), codes.CHAIN, "chain")


def test_a_certified_key_of_another_kind_is_refused():
    point = ec.derive_private_key(7, ec.SECP256R1()).public_key().public_numbers()
    certificate = authority().certify(PublicKey.of_p256_point(point.x, point.y), now=NOW)
    refused(Forged(header={1: -8, 33: certificate}).evidence(), codes.ALGORITHM, "keys")


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (NOW - timedelta(minutes=5, seconds=1), codes.NOT_YET_VALID),
        (NOW + timedelta(days=1, seconds=1), codes.EXPIRED),
        (NOW + timedelta(days=3651), codes.EXPIRED),
    ],
    ids=["before", "after the leaf", "after the authority"],
)
def test_certificates_outside_their_time_are_refused(now, code):
    refused(Forged().evidence(), code, "validity", now=now)


def test_a_signature_by_another_key_is_refused():
    refused(Forged(signer=OTHER_KEY).evidence(), codes.SIGNATURE, "signature")


@pytest.mark.parametrize("signature", [b"", bytes(64), b"\xff" * 64, bytes(63)], ids=["none", "zero", "ones", "short"])
def test_a_signature_that_is_none_is_refused(signature):
    refused(evidence(Forged().body(signature=signature)), codes.SIGNATURE, "signature")


@pytest.mark.parametrize("name", ["nonce", "report_data"])
def test_evidence_about_something_else_is_refused(name):
    refused(Forged().evidence(), codes.BINDING, f"binding {name}", expected=replace(BOUND, **{name: b"x" * 32}))


@pytest.mark.parametrize(
    "limit", ["evidence_bytes_max", "payload_bytes_max", "certificates_max", "certificate_bytes_max"]
)
def test_each_limit_holds(limit):
    refused(Forged().evidence(), codes.TOO_LARGE, limits=EvidenceLimits(**{limit: 1}))


def test_evidence_of_another_kind_is_refused():
    refused(Forged().evidence(kind="nitro"), codes.UNSUPPORTED_KIND)


def test_no_flipped_bit_is_accepted():
    for bit in range(0, len(WHOLE) * 8, 3):
        flipped = bytearray(WHOLE)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EvidenceRejected) as caught:
            verified(evidence(bytes(flipped)))
        assert caught.value.code != codes.BINDING, "the signature comes first"


def test_every_cut_and_every_byte_after_it_is_malformed():
    for length in range(len(WHOLE)):
        refused(evidence(WHOLE[:length]), codes.MALFORMED)
    refused(evidence(WHOLE + b"\0"), codes.MALFORMED)


def test_verifying_touches_no_clock_no_network_and_no_file(monkeypatch):
    untrusted = Forged().evidence()

    def touched(*_arguments, **_named):
        raise AssertionError("a verifier is pure")

    with monkeypatch.context() as patched:
        for name in ("time", "time_ns", "monotonic", "monotonic_ns"):
            patched.setattr(time, name, touched)
        patched.setattr(socket, "socket", touched)
        patched.setattr(builtins, "open", touched)
        claims = verified(untrusted)
    assert claims.is_bound


def test_a_development_ca_says_in_its_name_what_it_is_also_where_it_is_named(monkeypatch):
    monkeypatch.setattr(dev_authority, "_AUTHORITY_NAME", "a maker")
    other = DevelopmentAuthority.generate(now=NOW)
    document = Forged(header={1: -8, 33: certified(by=other)})
    found = document.evidence(endorsements=(other.certificate,))
    error = refused(found, codes.CHAIN, "chain", anchors=frozenset({other.fingerprint}))
    assert (error.got, error.wanted) == ("'a maker'", "a development CA, which has INSECURE in its name")
