"""The certificates in a Nitro document: their keys, their anchor, who issued whom, and when they are valid."""

from datetime import timedelta

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from strongroom.attest import codes
from strongroom.attest.anchors import PINNED
from tests.fakes.pki_nitro import (
    FOREIGN,
    NOW,
    Signed,
    bundle,
    certificate,
    document,
    evidence,
    key,
    leaf,
    payload,
    refused,
)

ROOT, REGION, ZONE, INSTANCE = bundle()


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP521R1, ec.BrainpoolP384R1], ids=lambda curve: curve.name)
def test_a_leaf_on_another_curve_is_refused(curve):
    other = key("enclave", curve)
    body = Signed(cbor2.dumps(payload(certificate=leaf(of=other))), signer=other).body()
    refused(evidence(body), codes.ALGORITHM, "nitro/6")


def test_a_certificate_signed_with_another_hash_is_refused():
    refused(document(certificate=leaf(hashed_with=SHA256)), codes.ALGORITHM, "nitro/6")


@pytest.mark.parametrize(
    "path",
    [
        bundle()[::-1],
        bundle()[1:],
        (leaf(), *bundle()),
        (certificate("root", "root", is_authority=True), *bundle()[1:]),
    ],
    ids=["turned round", "no root", "leaf first", "a root of the same key"],
)
def test_a_path_that_does_not_begin_at_the_anchor_is_refused(path):
    refused(document(cabundle=list(path)), codes.ANCHOR, "nitro/4")


def test_the_real_anchor_does_not_take_a_test_pki_and_no_anchor_takes_nothing():
    refused(document(), codes.ANCHOR, "nitro/4", anchors=PINNED["nitro"])
    refused(document(), codes.ANCHOR, "nitro/4", anchors=frozenset())


@pytest.mark.parametrize(
    "changes",
    [
        {"cabundle": [ROOT, ZONE, REGION, INSTANCE]},
        {"cabundle": [ROOT, REGION, INSTANCE]},
        {"cabundle": [ROOT]},
        {"certificate": leaf(signed_by=FOREIGN)},
        {"certificate": INSTANCE},
        {"certificate": leaf(is_authority=True)},
        {"certificate": certificate("enclave", "another", is_authority=False, signed_by=key("instance"))},
        {"cabundle": [*bundle()[:3], certificate("instance", "zone", is_authority=False)]},
        {"cabundle": [*bundle()[:3], certificate("instance", "zone", is_authority=True, may_sign=False)]},
        {
            "cabundle": [*bundle(), certificate("below", "instance", is_authority=True)],
            "certificate": certificate("enclave", "below", is_authority=False),
        },
    ],
    ids=[
        "swapped",
        "gap",
        "root only",
        "leaf by a foreign key",
        "authority in the place of the leaf",
        "leaf that may issue",
        "issuer of another name",
        "issuer that is no authority",
        "issuer that may not sign certificates",
        "an authority below the last that may be",
    ],
)
def test_a_path_in_which_one_does_not_issue_the_next_is_refused(changes):
    refused(document(**changes), codes.CHAIN, "nitro/5")


@pytest.mark.parametrize(
    ("leaf_begins", "code"),
    [(NOW + timedelta(seconds=1), codes.NOT_YET_VALID), (NOW - timedelta(hours=3, seconds=1), codes.EXPIRED)],
    ids=["not yet", "no more"],
)
def test_a_leaf_outside_its_time_is_refused(leaf_begins, code):
    refused(document(certificate=leaf(begins=leaf_begins)), code, "nitro/7")


def test_an_intermediate_outside_its_time_is_refused():
    late = NOW + timedelta(hours=23, minutes=1)
    fields = {"certificate": leaf(lives=timedelta(days=2)), "timestamp": int(late.timestamp() * 1000)}
    assert "certificate 3" in refused(document(**fields), codes.EXPIRED, "nitro/7", now=late).got
