"""Certificates beside a quote: what they raise its class to, and what they must be for that."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA224

from strongroom.attest import codes
from strongroom.attest.evidence import INSECURE, EvidenceLimits
from strongroom.crypto.certificates import load_certificate
from strongroom.crypto.dev_authority import DevelopmentAuthority
from tests.fakes.pki_tpm import (
    AK,
    DEVELOPMENT_CA,
    EK,
    EK_TEMPLATE,
    NOW,
    RSA_AK,
    RSA_EK_TEMPLATE,
    ak_chain,
    body,
    certificate,
    ecc_public,
    ek_chain,
    evidence,
    key,
    point,
    quoted,
    refused,
    rsa_public,
    rsassa,
    signer_below,
    sized,
    verified,
)
from tests.fakes.seeded_rsa import rsa_key

ANCHORED = evidence(body(), endorsements=ek_chain())
SWTPM = evidence(body(), kind="insecure-swtpm", endorsements=ak_chain())
RSA_EK = rsa_key("tpm other ak")


def test_a_chain_that_ends_in_a_listed_anchor_makes_the_class_vtpm():
    claims = verified(ANCHORED)
    assert (claims.assurance, claims.facts["is_ek_anchored"]) == ("vtpm", True)
    assert claims.facts["ek_sha256"] == sha256(ek_chain()[0]).digest()


@pytest.mark.parametrize("endorsements", [(), ek_chain(), ek_chain()[:1]], ids=["none", "not listed", "no issuer"])
def test_any_other_chain_makes_it_vtpm_untrusted(endorsements):
    claims = verified(evidence(body(), endorsements=endorsements), anchors=frozenset())
    assert (claims.assurance, claims.facts["is_ek_anchored"]) == ("vtpm-untrusted", False)
    assert ("ek_sha256" in claims.facts) == bool(endorsements)


def test_a_key_below_the_endorsement_key_is_named_by_it():
    ek_public = EK_TEMPLATE + point(EK)
    raw = quoted(signer=signer_below(ek_public, ecc_public()))
    assert verified(evidence(raw, endorsements=ek_chain())).assurance == "vtpm"
    refused(evidence(raw), codes.IDENTITY, "tpm/3")
    refused(evidence(raw, endorsements=ek_chain(of=key("another ek"))), codes.IDENTITY, "tpm/3")


def test_an_endorsement_key_may_be_an_rsa_key():
    modulus = RSA_EK.public_key().public_numbers().n.to_bytes(256, "big")
    raw = quoted(signer=signer_below(RSA_EK_TEMPLATE + sized(modulus), rsa_public()), public=rsa_public(), sign=rsassa)
    assert verified(evidence(raw, endorsements=ek_chain(of=RSA_EK))).assurance == "vtpm"


def test_an_endorsement_key_of_no_known_template_names_nothing_below_it():
    chain = ek_chain(of=key("large ek", ec.SECP384R1))
    assert verified(evidence(body(), endorsements=chain)).assurance == "vtpm"
    raw = quoted(signer=signer_below(EK_TEMPLATE + point(EK), ecc_public()))
    refused(evidence(raw, endorsements=chain), codes.IDENTITY, "tpm/3")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"usages": ()}, codes.IDENTITY),
        ({"usages": ("2.23.133.8.3",)}, codes.IDENTITY),
        ({"signed_by": key("someone")}, codes.CHAIN),
        ({"ca": True}, codes.CHAIN),
        ({"of": key("larger", ec.SECP521R1)}, codes.ALGORITHM),
        ({"of": rsa_key("snp ark")}, codes.ALGORITHM),
        ({"hashed": SHA224()}, codes.ALGORITHM),
        ({"lives": timedelta(hours=1)}, codes.EXPIRED),
        ({"begins": NOW + timedelta(days=2)}, codes.NOT_YET_VALID),
    ],
    ids=[
        "no usage",
        "another usage",
        "signed by another",
        "an issuer",
        "P-521",
        "large RSA",
        "SHA-224",
        "expired",
        "early",
    ],
)
def test_a_chain_to_a_listed_anchor_that_does_not_hold_is_refused(changes, code):
    refused(evidence(body(), endorsements=ek_chain(**changes)), code, "tpm/2 EK chain")


def test_a_chain_beyond_the_limits_or_of_no_certificates_is_refused():
    refused(evidence(body(), endorsements=ek_chain() * 5), codes.TOO_LARGE, "tpm/2")
    refused(evidence(body(), endorsements=(bytes(4097),)), codes.TOO_LARGE, "tpm/2")
    refused(evidence(body(), endorsements=(b"junk",)), codes.MALFORMED, "tpm/2")
    small = EvidenceLimits(endorsements_bytes_max=100)
    refused(ANCHORED, codes.TOO_LARGE, "tpm/2", limits=small)


def test_a_software_tpm_is_worth_nothing_and_says_so():
    claims = verified(SWTPM)
    assert (claims.kind, claims.assurance, claims.is_bound) == ("insecure-swtpm", "none", True)
    assert claims.facts["notice"] == INSECURE
    assert "is_ek_anchored" not in claims.facts


def test_neither_kind_is_taken_for_the_other():
    for untrusted, kind in ((SWTPM, "tpm2"), (ANCHORED, "insecure-swtpm")):
        found = replace(untrusted, kind=kind)
        if kind == "tpm2":
            assert verified(found).assurance == "vtpm-untrusted"
        else:
            refused(found, codes.ANCHOR, "swtpm/2")


def test_the_development_ca_of_an_installation_certifies_the_key_of_a_software_tpm():
    authority = DevelopmentAuthority.generate(now=NOW)
    ak = load_certificate(ak_chain()[0]).key
    chain = (authority.certify(ak, now=NOW), authority.certificate)
    anchors = frozenset({sha256(authority.certificate).hexdigest()})
    found = verified(evidence(body(), kind="insecure-swtpm", endorsements=chain), anchors=anchors)
    assert found.assurance == "none"


def test_an_rsa_key_is_certified_likewise():
    raw = quoted(public=rsa_public(), sign=rsassa)
    assert verified(evidence(raw, kind="insecure-swtpm", endorsements=ak_chain(of=RSA_AK))).is_bound


@pytest.mark.parametrize(
    ("endorsements", "code"),
    [
        ((), codes.CHAIN),
        (ak_chain()[:1], codes.ANCHOR),
        (ak_chain()[::-1], codes.ANCHOR),
        (ek_chain(), codes.ANCHOR),
        (ak_chain(of=key("another ak")), codes.IDENTITY),
        (ak_chain(signed_by=key("someone")), codes.CHAIN),
        (ak_chain(ca=True), codes.CHAIN),
        (ak_chain(lives=timedelta(hours=1)), codes.EXPIRED),
        (ak_chain(of=key("large", ec.SECP384R1)), codes.ALGORITHM),
    ],
    ids=["none", "no CA", "swapped", "a maker's", "other key", "signed by another", "an issuer", "expired", "P-384"],
)
def test_a_software_tpm_without_a_certified_key_is_refused(endorsements, code):
    refused(replace(SWTPM, endorsements=endorsements), code, "swtpm/2")


def test_a_key_of_another_curve_as_issuer_is_refused():
    issuer_key = key("larger issuer", ec.SECP521R1)
    issuer = certificate(DEVELOPMENT_CA, DEVELOPMENT_CA, of=issuer_key, signed_by=issuer_key, ca=True)
    chain = (certificate("ak", DEVELOPMENT_CA, of=AK, signed_by=issuer_key), issuer)
    anchors = frozenset({sha256(issuer).hexdigest()})
    refused(replace(SWTPM, endorsements=chain), codes.ALGORITHM, "swtpm/2", anchors=anchors)


@pytest.mark.parametrize(
    ("name", "signer", "reason"),
    [("maker", "development", "INSECURE in its name"), (DEVELOPMENT_CA, "another", "one that signed itself")],
    ids=["another name", "signed by another key"],
)
def test_a_development_ca_signed_itself_and_says_what_it_is_also_where_it_is_named(name, signer, reason):
    root = certificate(name, name, of=key("development"), signed_by=key(signer), ca=True)
    chain = (certificate("ak", name, of=AK, signed_by=key("development")), root)
    anchors = frozenset({sha256(root).hexdigest()})
    error = refused(replace(SWTPM, endorsements=chain), codes.CHAIN, "swtpm/2 AK chain", anchors=anchors)
    assert reason in error.wanted
