"""Attested requests: real verification with a test root, the trusted sets, the age, and what the document is about."""

import json
from base64 import b64decode
from dataclasses import replace
from datetime import datetime, timedelta

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384

from strongroom.attest import codes
from strongroom.attest.anchors import PINNED
from strongroom.attest.evidence import INSECURE
from strongroom.plugin import EvidenceRejected, Forbidden, InvalidInput, LimitExceeded
from strongroom_confidential_workflows.dialect.attested import AttestedRequest, PcrSet, read_trusted_sets
from strongroom_confidential_workflows.dialect.enclave_keys import EnclaveKeys
from strongroom_confidential_workflows.dialect.hashes import public_key_response_hash
from strongroom_confidential_workflows.dialect.messages import EnclaveConfig
from tests.fakes.attestation_samples import SAMPLES, sample_cases
from tests.fakes.dialect_values import ASKED, CALL
from tests.fakes.pki_nitro import ANCHORS, ES384, FOREIGN, MODULE_ID, NOW, Signed, document, key, leaf, payload

SET = PcrSet(*(bytes([index + 1]) * 48 for index in range(3)))
HEX = {f"pcr{index}": (bytes([index + 1]) * 48).hex() for index in range(3)}
OTHER = replace(SET, pcr2=b"\x09" * 48)
USER_DATA = ASKED.user_data()
CHECK = AttestedRequest(trusted=(SET,), anchors=ANCHORS, clock=lambda: NOW)


def attested(**changes):
    """A document about the parameters, as an enclave of this dialect has one made: no nonce, no key."""
    return document(**{"user_data": USER_DATA, "nonce": None, "public_key": None, **changes}).body


def refusal(body, check=CHECK, user_data=USER_DATA):
    with pytest.raises(EvidenceRejected) as caught:
        check.check(body, user_data)
    return caught.value


def test_round_trip_with_the_identity_fields_surfaced():
    claims = CHECK.check(attested(), USER_DATA)
    assert claims.facts["module_id"] == MODULE_ID
    assert claims.facts["user_data"] == USER_DATA
    assert claims.facts["pcr8"] == b"\x09" * 48
    assert claims.facts["timestamp_ms"] == int(NOW.timestamp() * 1000)


def test_a_host_checks_keys_of_an_enclave_by_their_hash():
    config = EnclaveConfig(signers=(b"s" * 32,), master_public_key=b"mpk", t=1, f=0)
    keys = EnclaveKeys().response(bytes(32), config, now_ns=1)
    body = attested(user_data=public_key_response_hash(keys))
    assert CHECK.check(body, public_key_response_hash(keys))
    other = replace(keys, ttls_ns=(keys.ttls_ns[0] + 1,))
    assert refusal(body, user_data=public_key_response_hash(other)).code == codes.BINDING


def test_a_test_root_is_visibly_insecure_and_opens_nothing_in_production():
    assert CHECK.insecure == INSECURE
    production = replace(CHECK, anchors=PINNED["nitro"])
    assert production.insecure == ""
    assert refusal(attested(), production).code == codes.ANCHOR


def test_no_attestation_is_missing():
    with pytest.raises(Forbidden) as caught:
        CHECK.check(b"", USER_DATA)
    assert str(caught.value) == "missing attestation"


def test_a_fake_literal_is_no_document():
    assert refusal(b"fake-attestation").code == codes.MALFORMED


@pytest.mark.parametrize("user_data", [None, b"", bytes(32), USER_DATA[:31], USER_DATA + b"\x00", CALL.user_data()])
def test_wrong_user_data_is_refused(user_data):
    error = refusal(attested(user_data=user_data))
    assert (error.code, error.check) == (codes.BINDING, "relay user_data")


def test_a_request_that_was_changed_is_not_the_one_that_was_attested():
    changed = replace(ASKED, enclave_public_key="cd" * 32)
    assert refusal(attested(), user_data=changed.user_data()).code == codes.BINDING


@pytest.mark.parametrize("skew", [timedelta(seconds=301), -timedelta(seconds=301)], ids=["old", "future"])
def test_max_age_holds_in_both_directions(skew):
    assert refusal(attested(), replace(CHECK, clock=lambda: NOW + skew)).code == codes.STALE
    assert replace(CHECK, clock=lambda: NOW + skew * 300 / 301).check(attested(), USER_DATA)
    assert refusal(attested(), replace(CHECK, age_s_max=60, clock=lambda: NOW + skew / 4)).code == codes.STALE


@pytest.mark.parametrize("age_s_max", [0, 301])
def test_no_check_takes_older_documents_than_the_dialect(age_s_max):
    with pytest.raises(InvalidInput):
        replace(CHECK, age_s_max=age_s_max)


@pytest.mark.parametrize("changes", [{"trusted": ()}, {"anchors": frozenset()}])
def test_no_check_trusts_nobody_or_no_root(changes):
    with pytest.raises(InvalidInput):
        replace(CHECK, **changes)


def test_any_of_several_sets_may_match():
    assert replace(CHECK, trusted=(OTHER, SET)).check(attested(), USER_DATA)


def test_wrong_pcrs_match_no_set_and_sets_are_never_mixed():
    error = refusal(attested(), replace(CHECK, trusted=(OTHER, replace(SET, pcr0=b"\x09" * 48))))
    assert error.code == codes.MEASUREMENT
    assert f"no trusted PCR set matched: 2 tried, found pcr0 {HEX['pcr0']}" in str(error)


@pytest.mark.parametrize("pcrs", [{0: SET.pcr0, 1: SET.pcr1}, {3: bytes(48)}], ids=["two", "another"])
def test_a_document_without_the_three_registers_matches_no_set(pcrs):
    error = refusal(attested(pcrs=pcrs))
    assert error.code == codes.MEASUREMENT
    assert "pcr2 absent" in str(error)


def test_a_debug_enclave_is_refused_before_anything_is_compared():
    zero = {**payload()["pcrs"], **{index: bytes(48) for index in range(3)}}
    assert refusal(attested(pcrs=zero)).code == codes.DEBUG


def test_a_wrong_payload_a_wrong_key_and_a_tampered_header_are_refused():
    fields = payload(user_data=USER_DATA, nonce=None, public_key=None)
    signed = Signed(cbor2.dumps(fields))
    other = Signed(cbor2.dumps({**fields, "timestamp": fields["timestamp"] + 1}))
    assert refusal(other.body(signature=signed.signature)).code == codes.SIGNATURE
    assert refusal(replace(signed, signer=FOREIGN).body()).code == codes.SIGNATURE
    header = cbor2.dumps([ES384 + b"\x00", {}, signed.payload, signed.signature])
    assert refusal(header).code == codes.ALGORITHM


@pytest.mark.parametrize("header", ["a10126", "a1013823"], ids=["ES256", "ES512"])
def test_es256_and_es512_are_rejected(header):
    assert refusal(Signed(protected=bytes.fromhex(header)).body()).code == codes.ALGORITHM


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP521R1], ids=["P-256", "P-521"])
def test_only_p_384_is_taken(curve):
    of = key("enclave", curve)
    body = cbor2.dumps(payload(certificate=leaf(of=of), user_data=USER_DATA))
    assert refusal(Signed(body, signer=of).body()).code == codes.ALGORITHM


def test_der_and_other_lengths_of_a_signature_are_rejected():
    signed = Signed(cbor2.dumps(payload(user_data=USER_DATA)))
    data = cbor2.dumps(["Signature1", signed.protected, b"", signed.payload])
    der = signed.signer.sign(data, ec.ECDSA(SHA384(), deterministic_signing=True))
    for signature in (der, signed.signature[:-1], signed.signature + b"\x00", b"x"):
        assert refusal(signed.body(signature=signature)).code == codes.MALFORMED


def test_every_cut_and_flips_all_over_are_refused():
    body = attested()
    for length in range(1, len(body), 13):
        assert refusal(body[:length]).code == codes.MALFORMED, length
    for position in range(0, len(body), 17):
        flipped = bytearray(body)
        flipped[position] ^= 0x20
        refusal(bytes(flipped))


def test_one_set_or_an_array_of_sets_is_read():
    assert read_trusted_sets(json.dumps(HEX).encode()) == (SET,)
    other = {**HEX, "pcr2": "09" * 48}
    assert read_trusted_sets(json.dumps([other, HEX]).encode()) == (OTHER, SET)


@pytest.mark.parametrize(
    ("untrusted", "reason"),
    [
        ([], "trusted measurements must be at least one set"),
        (None, "sets[0] must be an object"),
        ({}, "sets[0].pcr0 must be 32, 48 or 64 bytes in hex that are not all zero"),
        ({**HEX, "pcr1": "00" * 48}, "sets[0].pcr1 must be 32, 48 or 64 bytes"),
        ({**HEX, "pcr1": "01" * 47}, "sets[0].pcr1 must be 32, 48 or 64 bytes"),
        ({**HEX, "pcr1": "0g" * 48}, "sets[0].pcr1 must be 32, 48 or 64 bytes"),
        ({**HEX, "pcr1": " 01" * 32}, "sets[0].pcr1 must be 32, 48 or 64 bytes"),
        ({**HEX, "pcr1": 1}, "sets[0].pcr1 must be a text"),
        ([HEX, {**HEX, "pcr8": "01" * 48}], "sets[1].pcr8 must be left out"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_sets_of_another_form_are_refused(untrusted, reason):
    with pytest.raises(InvalidInput) as caught:
        read_trusted_sets(json.dumps(untrusted).encode())
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("untrusted", [json.dumps([HEX] * 65), " " * 65537], ids=["sets", "bytes"])
def test_more_sets_than_a_limit_are_refused(untrusted):
    with pytest.raises(LimitExceeded):
        read_trusted_sets(untrusted.encode())


def sample_body(case):
    raw = (SAMPLES / case["body"]["file"]).read_bytes()
    return raw if case["body"]["encoding"] != "base64" else b64decode(raw)


def test_real_documents_pass_or_fall_as_they_do_for_the_native_protocol():
    for case in sample_cases("nitro", 7):
        at = datetime.fromisoformat(case["at"])
        check = AttestedRequest(trusted=(SET,), anchors=PINNED["nitro"], clock=lambda at=at: at)
        wanted = codes.BINDING if case["outcome"] == "accept" else case["outcome"]
        assert refusal(sample_body(case), check).code == wanted, case["name"]
