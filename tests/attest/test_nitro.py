"""Nitro documents of a test PKI: what production ones may hold, to what they are bound, and how fresh they must be."""

import builtins
import socket
import time
from dataclasses import replace

import cbor2
import pytest

from strongroom.attest import codes
from strongroom.attest.evidence import EvidenceLimits
from tests.fakes.pki_nitro import (
    BOUND,
    FOREIGN,
    MODULE_ID,
    NOW,
    Signed,
    bundle,
    document,
    evidence,
    payload,
    refused,
    verified,
)


def test_a_production_document_is_bound_and_its_facts_are_those_it_holds():
    claims = verified(document())
    assert (claims.kind, claims.assurance, claims.is_bound) == ("nitro", "hardware", True)
    assert claims.evidence == document().body
    assert claims.facts["module_id"] == MODULE_ID
    assert claims.facts["timestamp_ms"] == int(NOW.timestamp() * 1000)
    assert claims.facts["nonce"] == BOUND.nonce
    assert claims.facts["user_data"] == BOUND.report_data
    assert claims.facts["public_key"] == BOUND.kem_spki
    assert [claims.facts[f"pcr{index}"] for index in range(16)] == [bytes([index + 1]) * 48 for index in range(16)]


def test_without_a_binding_nothing_is_bound():
    claims = verified(document(nonce=None, user_data=None, public_key=None), expected=None)
    assert not claims.is_bound
    assert [claims.facts[name] for name in ("nonce", "user_data", "public_key")] == [None, None, None]


def test_a_debug_document_is_authentic():
    zero = {index: bytes(48) for index in range(3)}
    assert verified(document(pcrs={**payload()["pcrs"], **zero})).facts["pcr0"] == bytes(48)


def test_a_tagged_document_and_an_indefinite_payload_are_taken():
    assert verified(evidence(b"\xd2" + document().body)).is_bound
    items = b"".join(cbor2.dumps(name) + cbor2.dumps(value) for name, value in payload().items())
    assert verified(evidence(Signed(b"\xbf" + items + b"\xff").body())).is_bound


@pytest.mark.parametrize("size", [32, 48, 64])
def test_registers_of_every_size_are_taken(size):
    assert verified(document(pcrs={31: bytes(size)})).facts["pcr31"] == bytes(size)


def test_fields_at_their_limits_are_taken():
    pcrs = {index: bytes(64) for index in range(32)}
    claims = verified(document(pcrs=pcrs, user_data=bytes(1024), nonce=b"", public_key=bytes(1024)), expected=None)
    assert len(claims.facts["user_data"]) == 1024
    assert claims.facts["nonce"] == b""


def test_a_signature_by_another_key_or_of_another_payload_is_refused():
    refused(evidence(Signed(signer=FOREIGN).body()), codes.SIGNATURE, "nitro/8")
    other = Signed(cbor2.dumps(payload(nonce=b"m" * 32)))
    refused(evidence(Signed().body(signature=other.signature)), codes.SIGNATURE, "nitro/8")


@pytest.mark.parametrize("name", ["nonce", "user_data", "public_key"])
@pytest.mark.parametrize("value", [None, b"", b"x" * 32, b"r" * 32 + bytes(32)], ids=["null", "empty", "other", "long"])
def test_a_document_about_something_else_is_refused(name, value):
    error = refused(document(**{name: value}), codes.BINDING, "nitro/10")
    assert error.got.startswith(name)


def test_an_absent_field_is_not_an_empty_binding():
    refused(document(nonce=None), codes.BINDING, expected=replace(BOUND, nonce=b""))


@pytest.mark.parametrize("skew_ms", [-300_001, 300_001, -(2**40), 2**63])
def test_a_timestamp_too_far_from_now_is_stale(skew_ms):
    timestamp = max(1, int(NOW.timestamp() * 1000) + skew_ms)
    refused(document(timestamp=timestamp), codes.STALE, "nitro/9")


@pytest.mark.parametrize("skew_ms", [-300_000, 300_000])
def test_a_timestamp_at_the_limit_is_fresh(skew_ms):
    assert verified(document(timestamp=int(NOW.timestamp() * 1000) + skew_ms)).is_bound


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"evidence_bytes_max": 3000}, codes.TOO_LARGE),
        ({"payload_bytes_max": 2500}, codes.TOO_LARGE),
        ({"certificates_max": 4}, codes.TOO_LARGE),
        ({"certificate_bytes_max": 300}, codes.TOO_LARGE),
        ({"endorsements_bytes_max": 1000}, codes.TOO_LARGE),
        ({"skew_s_max": 0}, None),
        ({"cbor_depth_max": 1}, codes.MALFORMED),
    ],
    ids=lambda value: str(value),
)
def test_each_limit_holds(changes, code):
    limits = EvidenceLimits(**changes)
    if code is None:
        assert verified(document(), limits=limits).is_bound
        code, changed = codes.STALE, document(timestamp=int(NOW.timestamp() * 1000) - 1)
        refused(changed, code, limits=limits)
    else:
        refused(document(), code, limits=limits)


def test_evidence_of_another_kind_and_endorsements_are_refused():
    refused(replace(document(), kind="tdx"), codes.UNSUPPORTED_KIND)
    refused(replace(document(), endorsements=bundle()[:1]), codes.MALFORMED)


def test_verifying_touches_no_clock_no_network_and_no_file(monkeypatch):
    untrusted = document()

    def touched(*_arguments, **_named):
        raise AssertionError("a verifier is pure")

    with monkeypatch.context() as patched:
        for name in ("time", "time_ns", "monotonic", "monotonic_ns"):
            patched.setattr(time, name, touched)
        patched.setattr(socket, "socket", touched)
        patched.setattr(builtins, "open", touched)
        claims = verified(untrusted)
    assert claims.is_bound
