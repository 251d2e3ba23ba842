"""An Azure confidential VM: the HCL report around an SEV-SNP report, and a vTPM whose key its JSON names.

The report is signed by the test PKI of ``pki_snp`` and the quote by a key from a seed. Each argument makes one thing
other than it should be.
"""

import json
import struct
from base64 import urlsafe_b64encode
from hashlib import sha256

import cbor2
import pytest

from strongroom.attest.azure import verify_az_snp_vtpm
from strongroom.attest.evidence import Evidence, EvidenceLimits
from strongroom.errors import EvidenceRejected
from tests.fakes import pki_snp, pki_tpm
from tests.fakes.pki_snp import ANCHORS, BOUND, NOW
from tests.fakes.pki_tpm import PCRS
from tests.fakes.seeded_rsa import rsa_key

AK = rsa_key("tpm ak")
SIGNER = b"\x00\x0b" + b"q" * 32
"""Azure says nothing of the vTPM's public area, so a quote's signer cannot be recomputed."""
HCL_BYTES = 2600


def jwk(private=AK, **changes):
    """The attestation key as JSON names it; a change to ``...`` leaves the member out."""
    modulus = private.public_key().public_numbers().n
    n = urlsafe_b64encode(modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()
    members = {"kid": "HCLAkPub", "key_ops": ["sign"], "kty": "RSA", "e": "AQAB", "n": n, **changes}
    return {name: value for name, value in members.items() if value is not ...}


def runtime(*keys, **more):
    """The JSON of these keys, or of the usual two."""
    found = list(keys) or [jwk(), jwk(kid="HCLEkPub", key_ops=["encrypt"])]
    return json.dumps(
        {"keys": found, "vm-configuration": {"secure-boot": True}, **more}, separators=(",", ":")
    ).encode()


def hcl(document=None, *, snp=None, header=None, runtime_header=None, size=HCL_BYTES, tail=b"", **report):
    """An HCL report; ``header`` and ``runtime_header`` change their fields by name, ``report`` those of the report."""
    document = runtime() if document is None else document
    if snp is None:
        snp = pki_snp.sign(pki_snp.unsigned(**{"report_data": sha256(document).digest(), **report}))
    outer = {"magic": b"HCLA", "version": 2, "size": 0x4D4 + len(document), "type": 2, "status": 0, "empty": bytes(12)}
    inner = {"size": len(document) + 20, "version": 1, "type": 2, "digest": 1, "json": len(document)}
    front = struct.pack("<4s4I12s", *(outer | (header or {})).values())
    middle = struct.pack("<5I", *(inner | (runtime_header or {})).values())
    return (front + snp + middle + document + tail).ljust(size, b"\0")


def body(*, report=None, pcrs=PCRS, sign=pki_tpm.rsassa, signed=None, more=None, **quote):
    """The map of a body. ``more`` changes its keys, ``quote`` the fields of the quote."""
    message = pki_tpm.attest(SIGNER, pcrs=pcrs, **quote)
    fields = {
        "v": 1,
        "hcl_report": hcl() if report is None else report,
        "attest": message,
        "signature": sign(message) if signed is None else signed,
        "pcrs": pcrs,
        "vcek": pki_snp.leaf(),
        **(more or {}),
    }
    return cbor2.dumps({name: value for name, value in fields.items() if value is not ...}, canonical=True)


def evidence(raw=None, *, endorsements=None, kind="az-snp-vtpm"):
    """Evidence around a body, with the VCEK's issuers."""
    issuers = (pki_snp.issuer(), pki_snp.root()) if endorsements is None else endorsements
    return Evidence(kind, "application/cbor", body() if raw is None else raw, tuple(issuers))


def verified(untrusted, *, expected=BOUND, now=NOW, anchors=ANCHORS, limits=None):
    """The claims of the production verifier, under the anchors of the test PKI."""
    return verify_az_snp_vtpm(untrusted, expected=expected, now=now, anchors=anchors, limits=limits or EvidenceLimits())


def refused(untrusted, code, check="", **changes):
    """The refusal, which has this code and a check that begins so."""
    with pytest.raises(EvidenceRejected) as caught:
        verified(untrusted, **changes)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.check.startswith(check), str(caught.value)
    return caught.value
