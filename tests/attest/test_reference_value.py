"""Reference values: one encoding that reads back, a signature for one purpose, and every other file refused."""

import json
from dataclasses import replace

import pytest

from strongroom.attest.reference_value import (
    REFERENCE_BYTES_MAX,
    ReferenceValue,
    open_reference,
    parse_reference,
    sign_reference,
)
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected

KEY = SigningKey.from_raw(bytes(range(32)))
VALUE = ReferenceValue(kind="insecure-software", build="runner 0.1.0", measurement=b"m" * 32, svn=3)
FILE = VALUE.encode()


def refused(untrusted, code):
    with pytest.raises(EvidenceRejected) as caught:
        parse_reference(untrusted)
    assert caught.value.code == code, str(caught.value)


def test_a_value_reads_back_and_has_the_parts_of_a_triple():
    assert parse_reference(FILE) == VALUE
    assert json.loads(FILE) == {
        "profile": "strongroom/reference-value/v1",
        "environment": {"kind": "insecure-software", "build": "runner 0.1.0"},
        "measurement": {"alg": "sha-256", "value": (b"m" * 32).hex()},
        "svn": 3,
    }


def test_a_signature_is_of_these_bytes_by_this_key_for_this_purpose():
    signature = sign_reference(FILE, KEY)
    assert open_reference(FILE, signature, public=KEY.public) == VALUE
    other = SigningKey.from_raw(b"\x07" * 32)
    for data, found, public in (
        (FILE + b"\n", signature, KEY.public),
        (FILE, signature[:-1], KEY.public),
        (FILE, b"", KEY.public),
        (FILE, signature, other.public),
        (FILE, KEY.sign("policy", FILE), KEY.public),
    ):
        with pytest.raises(EvidenceRejected) as caught:
            open_reference(data, found, public=public)
        assert caught.value.code == "SR-ATTEST-006"
    with pytest.raises(EvidenceRejected):
        sign_reference(b"{}", KEY)


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("profile",), "strongroom/reference-value/v2", "SR-ATTEST-004"),
        (("profile",), ..., "SR-ATTEST-001"),
        (("more",), 1, "SR-ATTEST-001"),
        (("environment", "kind"), "quantum", "SR-ATTEST-001"),
        (("environment", "build"), "", "SR-ATTEST-001"),
        (("environment", "build"), "a\nb", "SR-ATTEST-001"),
        (("environment", "build"), "x" * 129, "SR-ATTEST-001"),
        (("environment", "more"), 1, "SR-ATTEST-001"),
        (("measurement", "alg"), "sha-1", "SR-ATTEST-004"),
        (("measurement", "value"), "M" * 64, "SR-ATTEST-001"),
        (("measurement", "value"), "6D" * 32, "SR-ATTEST-001"),
        (("measurement", "value"), "6d" * 31, "SR-ATTEST-001"),
        (("svn",), -1, "SR-ATTEST-001"),
        (("svn",), 2**32, "SR-ATTEST-001"),
        (("svn",), True, "SR-ATTEST-001"),
    ],
)
def test_every_other_value_is_refused(path, value, code):
    changed = json.loads(FILE)
    place = changed
    for name in path[:-1]:
        place = place[name]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    refused(json.dumps(changed).encode(), code)


def test_what_is_no_such_file_is_refused():
    for untrusted in (b"", b"[]", b"\xff", b"{" * 50_000, FILE[:-10]):
        refused(untrusted, "SR-ATTEST-001")
    refused(b" " * (REFERENCE_BYTES_MAX + 1), "SR-ATTEST-002")
    with pytest.raises(EvidenceRejected):
        replace(VALUE, svn=2**32).encode()
