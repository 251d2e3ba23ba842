"""Rules behind which another stands, or that a stranger's shape would break: each asserted by the name of its check."""

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384

from strongroom.attest import codes
from strongroom.attest.evidence import EvidenceLimits, check_path, checked_certificates
from strongroom.crypto.certificates import load_certificate
from strongroom.errors import EvidenceRejected
from tests.fakes import dcap_verified, pki_azure, pki_dcap, pki_nitro, pki_snp, pki_software, pki_tpm
from tests.fakes.pki_dcap import Platform
from tests.fakes.seeded_rsa import rsa_key

P256_OID = bytes.fromhex("06082a8648ce3d030107")
SWTPM = pki_tpm.evidence(pki_tpm.body(), kind="insecure-swtpm", endorsements=pki_tpm.ak_chain())


@pytest.mark.parametrize("bundle", [5, b"x", "x", {}, {0: b"x"}, [], None, True, 1.5], ids=repr)
def test_a_bundle_that_is_no_list_is_malformed(bundle):
    pki_nitro.refused(pki_nitro.document(cabundle=bundle), codes.MALFORMED, "nitro/3")


@pytest.mark.parametrize("size", [0, 1025])
def test_a_certificate_of_a_document_has_1_to_1024_bytes(size):
    for changes in ({"certificate": bytes(size)}, {"cabundle": [bytes(size), *pki_nitro.bundle()]}):
        found = pki_nitro.refused(pki_nitro.document(**changes), codes.MALFORMED, "nitro/3 payload")
        assert found.wanted == "1 to 1024 bytes"


def test_a_leaf_without_a_chip_is_malformed():
    fields = pki_snp.leaf_fields()
    del fields[f"{pki_snp.AMD}.4"]
    untrusted = pki_snp.made().evidence(endorsements=pki_snp.chain(fields=fields))
    assert pki_snp.refused(untrusted, codes.MALFORMED, "snp/6 hwID").got == "nothing"


def test_json_that_says_one_thing_twice_is_malformed_though_the_report_vouches_for_it():
    twice = pki_azure.runtime()[:-1] + b',"keys":[]}'
    nested = pki_azure.runtime().replace(b'"kid":"HCLAkPub"', b'"kid":"x","kid":"HCLAkPub"', 1)
    for document in (twice, nested):
        body = pki_azure.body(report=pki_azure.hcl(document))
        pki_azure.refused(pki_azure.evidence(body), codes.MALFORMED, "azure/3 JSON")


def test_a_modulus_is_written_with_as_many_bytes_as_the_key_has():
    number = pki_azure.AK.public_key().public_numbers().n
    for raw in (b"\0" + number.to_bytes(256, "big"), number.to_bytes(256, "big")[:-1], b"\1" * 255):
        text = pki_azure.urlsafe_b64encode(raw).rstrip(b"=").decode()
        body = pki_azure.body(report=pki_azure.hcl(pki_azure.runtime(pki_azure.jwk(n=text))))
        assert "bytes" in pki_azure.refused(pki_azure.evidence(body), codes.ALGORITHM, "azure/3 HCLAkPub").wanted


@pytest.mark.parametrize("kind", ["tpm2", "insecure-swtpm"])
@pytest.mark.parametrize("other", ["nitro", "az-snp-vtpm", "", "TPM2", "tpm2 "])
def test_a_quote_of_another_kind_is_not_looked_at(kind, other):
    verify, anchors = pki_tpm.VERIFIERS[kind]
    with pytest.raises(EvidenceRejected) as caught:
        verify(
            pki_tpm.evidence(b"", kind=other),
            expected=pki_tpm.BOUND,
            now=pki_tpm.NOW,
            anchors=anchors,
            limits=pki_nitro.EvidenceLimits(),
        )
    assert caught.value.code == codes.UNSUPPORTED_KIND


QUOTES = {
    "by another key": ({"sign": lambda message: pki_tpm.ecdsa(message, pki_tpm.key("other"))}, codes.SIGNATURE),
    "of another signer": ({"signer": b"\x00\x0b" + bytes(32)}, codes.IDENTITY),
    "about something else": ({"extra_data": b"x" * 32}, codes.BINDING),
    "with more behind its data": ({"extra_data": b"r" * 32 + b"\0"}, codes.BINDING),
    "with an unsafe clock": ({"safe": 0}, codes.STALE),
    "of other values": ({"digest": bytes(32)}, codes.MEASUREMENT),
}


@pytest.mark.parametrize("name", QUOTES)
def test_a_quote_of_a_software_tpm_is_checked_like_any_other(name):
    changes, code = QUOTES[name]
    pki_tpm.refused(replace(SWTPM, body=pki_tpm.quoted(**changes)), code, "swtpm/")


@pytest.mark.parametrize("other", ["RSA-4096", "P-384", "P-521"])
def test_an_endorsement_key_of_any_size_that_nobody_lists_is_worth_nothing_and_breaks_nothing(other):
    keys = {"RSA-4096": rsa_key("snp ark"), "P-384": pki_tpm.key("ek", ec.SECP384R1)}
    of = keys.get(other) or pki_tpm.key("ek", ec.SECP521R1)
    found = pki_tpm.verified(
        pki_tpm.evidence(pki_tpm.body(), endorsements=pki_tpm.ek_chain(of=of)), anchors=frozenset()
    )
    assert found.assurance == "vtpm-untrusted"


def test_a_point_and_a_modulus_are_no_longer_than_they_must_be():
    x, y = pki_tpm.point(pki_tpm.AK)[2:34], pki_tpm.point(pki_tpm.AK)[36:]
    modulus = pki_tpm.RSA_AK.public_key().public_numbers().n.to_bytes(257, "big")
    publics = {
        pki_tpm.ecc_public(unique=pki_tpm.sized(b"\0" + x) + pki_tpm.sized(y)): codes.MALFORMED,
        pki_tpm.ecc_public(unique=pki_tpm.sized(x) + pki_tpm.sized(b"\0" + y)): codes.MALFORMED,
        pki_tpm.rsa_public(modulus=modulus): codes.ALGORITHM,
    }
    for public, code in publics.items():
        pki_tpm.refused(pki_tpm.evidence(pki_tpm.body(ak_public=public)), code, "tpm/1 ak_public")


def test_a_bitmap_of_registers_has_at_most_four_bytes():
    raw = pki_tpm.quoted(banks=[(0x000B, b"\x81\x00\x01\x00\x00")])
    assert pki_tpm.refused(pki_tpm.evidence(raw), codes.MALFORMED, "tpm/6 selection").wanted == "at most 4"


@pytest.mark.parametrize("found", [[pki_software.certified()], "x", None, 5, {}, b""], ids=["list", "text", *"nNmb"])
def test_a_header_with_another_certificate_than_one_in_bytes_is_malformed(found):
    pki_software.refused(pki_software.Forged(header={1: -8, 33: found}).evidence(), codes.MALFORMED)


def test_a_key_of_an_unknown_curve_is_a_wrong_algorithm_wherever_it_stands():
    der = pki_dcap.certificate("PCK", "Platform CA", is_authority=False).public_bytes(pki_dcap.Encoding.DER)
    assert der.count(P256_OID) == 1
    odd = der.replace(P256_OID, P256_OID[:-1] + b"\x70")
    pki_nitro.refused(pki_nitro.document(certificate=odd), codes.ALGORITHM, "nitro/3 certificates")


def test_the_path_of_a_platform_is_looked_at_before_the_library_looks():
    platform = Platform()
    _leaf, authority, root = platform.chain()
    p384 = pki_dcap.certificate(
        "PCK", "Platform CA", is_authority=False, curve_key=ec.derive_private_key(7, ec.SECP384R1())
    )
    short = pki_dcap.certificate("PCK", platform.root, is_authority=False)
    for check, chain in {"tdx/chain keys": (p384, authority, root), "tdx/chain": (short, root)}.items():
        assert dcap_verified.refused(platform, body=platform.quote(chain=chain)).check == check
    found = dcap_verified.refused(platform, body=platform.quote(chain=(short, root)))
    assert found.wanted == "a root, an authority and a leaf"


def test_a_key_of_a_platform_that_was_certified_with_another_hash_is_refused(monkeypatch):
    platform = Platform()
    monkeypatch.setattr(pki_dcap, "SHA256", SHA384)
    leaf = pki_dcap.certificate.__wrapped__("PCK", "Platform CA", is_authority=False)
    monkeypatch.undo()
    found = dcap_verified.refused(platform, body=platform.quote(chain=(leaf, *platform.chain()[1:])))
    assert (found.code, found.got) == (codes.ALGORITHM, "ECDSA P-256 signed with sha384")


def test_collateral_is_looked_at_before_the_library_looks():
    found = dcap_verified.refused(Platform(fmspc="00" * 6))
    assert (found.code, found.check) == (codes.COLLATERAL_MISSING, "tdx/collateral fmspc")
    found = dcap_verified.refused(Platform(documents_issued=pki_dcap.NOW + timedelta(seconds=1)))
    assert (found.code, found.check) == (codes.NOT_YET_VALID, "tdx/collateral tcb_info")
    early = pki_dcap.ISSUED - timedelta(seconds=1)
    older = Platform(documents_issued=early - timedelta(days=1))
    found = dcap_verified.refused(older, now=early)
    assert (found.code, found.check) == (codes.NOT_YET_VALID, "tdx/collateral root_ca_crl")


def test_a_path_of_no_certificates_leads_nowhere():
    with pytest.raises(EvidenceRejected) as caught:
        check_path("path", [], anchors=frozenset(), now=pki_nitro.NOW)
    assert caught.value.code == codes.CHAIN


def test_an_issuer_is_an_authority_by_its_constraints():
    leaf = load_certificate(pki_nitro.leaf())
    below = pki_nitro.certificate("below", "enclave", is_authority=False)
    anchors = frozenset({sha256(pki_nitro.leaf()).hexdigest()})
    with pytest.raises(EvidenceRejected) as caught:
        check_path("path", [leaf, load_certificate(below)], anchors=anchors, now=pki_nitro.NOW)
    assert (caught.value.code, caught.value.got) == (codes.CHAIN, "issuer 1 is no authority")


@pytest.mark.parametrize("size", [1, 1024])
def test_a_certificate_of_a_document_at_its_limits_is_looked_at(size):
    found = pki_nitro.refused(pki_nitro.document(certificate=bytes(size)), codes.MALFORMED, "nitro/3 certificates")
    assert found.wanted == "certificates in DER"


def test_as_many_certificates_as_may_be_are_looked_at_and_not_one_more():
    der = pki_nitro.leaf()
    limits = EvidenceLimits(certificates_max=3, endorsements_bytes_max=3 * len(der))
    assert len(checked_certificates("x", [der] * 3, limits)) == 3
    for more in ({"certificates_max": 2}, {"endorsements_bytes_max": 3 * len(der) - 1}, {"certificate_bytes_max": 9}):
        with pytest.raises(EvidenceRejected) as caught:
            checked_certificates("x", [der] * 3, replace(limits, **more))
        assert caught.value.code == codes.TOO_LARGE


@pytest.mark.parametrize("value", [0, 127, 128, 255])
def test_a_component_of_firmware_at_its_limits_is_read(value):
    fields = {**pki_snp.leaf_fields(), pki_snp.OIDS["ucode"]: pki_snp.integer(value)}
    tcb = pki_snp.tcb(ucode=value)
    untrusted = pki_snp.made(reported_tcb=tcb).evidence(endorsements=pki_snp.chain(fields=fields))
    assert pki_snp.verified(untrusted).facts["reported_tcb"]["ucode"] == value
