"""The two chains of a DCAP quote: that of the platform's key, and what Intel signed about the platform."""

import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.fakes.dcap_verified import claims, code_of
from tests.fakes.pki_dcap import ISSUED, NOW, Platform, certificate, pem, revocations

VERSIONS = pytest.mark.parametrize("version", [3, 4, 5])
DAY = timedelta(days=1)


def test_the_chain_of_the_platform_is_a_path_from_the_anchor():
    platform = Platform()
    leaf, authority, root = platform.chain()
    stranger = certificate("Platform CA", "Another Root")
    p384 = certificate("PCK", "Platform CA", is_authority=False, curve_key=ec.derive_private_key(7, ec.SECP384R1()))
    chains = {
        "another order": ((root, authority, leaf), "SR-ATTEST-008"),
        "no authority": ((leaf, root), "SR-ATTEST-007"),
        "no leaf": ((authority, root), "SR-ATTEST-007"),
        "only the root": ((root,), "SR-ATTEST-007"),
        "a leaf by the root": ((certificate("PCK", platform.root, is_authority=False), root), "SR-ATTEST-007"),
        "another authority": ((leaf, stranger, root), "SR-ATTEST-007"),
        "another root": ((leaf, authority, certificate("Another Root", "Another Root")), "SR-ATTEST-008"),
        "an authority twice": ((leaf, authority, authority, root), "SR-ATTEST-007"),
        "nine": ((leaf, *[authority] * 7, root), "SR-ATTEST-002"),
        "a key on another curve": ((p384, authority, root), "SR-ATTEST-005"),
        "none": ((), "SR-ATTEST-001"),
    }
    for name, (chain, code) in chains.items():
        assert code_of(platform, body=platform.quote(chain=chain)) == code, name
    assert code_of(platform, anchors=frozenset()) == "SR-ATTEST-008"
    assert code_of(Platform(root="Another Root"), anchors=platform.anchors()) == "SR-ATTEST-008"


@VERSIONS
def test_collateral_is_signed_under_the_anchor(version):
    platform = Platform(version=version)
    other = Platform(version=version, root="Another Root")
    theirs = json.loads(other.collateral())
    mine = json.loads(platform.collateral())
    authority, root = platform.chain()[1:]
    cases = {
        "signer under another root": ({"tcb_info_issuer_chain": theirs["tcb_info_issuer_chain"]}, "SR-ATTEST-008"),
        "identity under another root": ({"qe_identity_issuer_chain": theirs["tcb_info_issuer_chain"]}, "SR-ATTEST-008"),
        "an authority that signs documents": ({"tcb_info_issuer_chain": pem(authority, root)}, "SR-ATTEST-007"),
        "an expired signer": (
            {
                "tcb_info_issuer_chain": pem(
                    certificate("TCB Signing", platform.root, is_authority=False, dies=NOW - DAY), root
                )
            },
            "SR-ATTEST-009",
        ),
        "lists of another authority": ({"pck_crl_issuer_chain": theirs["pck_crl_issuer_chain"]}, "SR-ATTEST-024"),
        "a list by another": ({"pck_crl": revocations("Another Root")}, "SR-ATTEST-006"),
        "a list of the root by another": ({"root_ca_crl": revocations("Platform CA")}, "SR-ATTEST-006"),
        "another document": ({"tcb_info": mine["tcb_info"] + " "}, "SR-ATTEST-006"),
        "another identity": ({"qe_identity": mine["qe_identity"] + " "}, "SR-ATTEST-006"),
        "a signature for another document": ({"tcb_info_signature": mine["qe_identity_signature"]}, "SR-ATTEST-006"),
        "a date that is none": ({"tcb_info": mine["tcb_info"].replace("Z", "")}, "SR-ATTEST-001"),
        "a key twice": ({"tcb_info": mine["tcb_info"].replace("{", '{"id": "SGX", ', 1)}, "SR-ATTEST-001"),
        "a number for a text": ({"tcb_info": 5}, "SR-ATTEST-001"),
    }
    for name, (changes, code) in cases.items():
        assert code_of(platform, endorsements=(platform.collateral(**changes),)) == code, name


def test_collateral_of_one_kind_is_none_of_the_other():
    for version, other in ((3, 4), (4, 3), (5, 3)):
        collateral = Platform(version=other).collateral()
        assert code_of(Platform(version=version), endorsements=(collateral,)) == "SR-ATTEST-024"


@VERSIONS
def test_collateral_holds_until_the_next_is_due(version):
    platform = Platform(version=version)
    assert claims(platform, now=ISSUED).is_bound
    assert claims(platform, now=platform.documents_end - timedelta(seconds=1)).is_bound
    assert code_of(platform, now=ISSUED - timedelta(seconds=1)) == "SR-ATTEST-010"
    assert code_of(platform, now=platform.documents_end) == "SR-ATTEST-025"
