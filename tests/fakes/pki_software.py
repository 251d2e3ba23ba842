"""Simulated evidence with each thing in it as the test wants it: made here by hand, not by our encoder of evidence."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

import cbor2
import pytest

from strongroom.attest.evidence import INSECURE, Binding, Evidence, EvidenceLimits
from strongroom.attest.software import verify_insecure_software
from strongroom.crypto.dev_authority import DevelopmentAuthority
from strongroom.crypto.public_keys import PublicKey
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected

NOW = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
BOUND = Binding(report_data=b"r" * 32, nonce=b"n" * 32, kem_spki=b"k" * 44)
MEASUREMENT = b"m" * 32
KEY = SigningKey.from_raw(bytes(range(32)))
OTHER_KEY = SigningKey.from_raw(bytes(range(32, 64)))
CLAIMS = {
    10: BOUND.nonce,
    263: 0,
    265: "tag:strongroom,2026:insecure-software/1",
    270: INSECURE,
    -70001: BOUND.report_data,
    -70002: MEASUREMENT,
}


@cache
def authority():
    """The development CA of this installation."""
    return DevelopmentAuthority.generate(now=NOW)


@cache
def certified(key=KEY, *, by=None, **changes):
    """A certificate of the public half of ``key``."""
    return (by or authority()).certify(PublicKey.of_ed25519(key.public), **{"now": NOW, **changes})


@dataclass(frozen=True, slots=True)
class Forged:
    """A document of which every item can be another."""

    claims: Any = field(default_factory=lambda: CLAIMS)
    header: Any = field(default_factory=lambda: {1: -8, 33: certified()})
    signer: SigningKey = KEY
    payload: bytes | None = None
    protected: bytes | None = None

    def body(self, *, tag=b"\xd2", signature=None):
        """The document."""
        protected = cbor2.dumps(self.header, canonical=True) if self.protected is None else self.protected
        payload = cbor2.dumps(self.claims, canonical=True) if self.payload is None else self.payload
        made = self.signer.sign_raw(cbor2.dumps(["Signature1", protected, b"", payload]))
        return tag + cbor2.dumps([protected, {}, payload, made if signature is None else signature])

    def evidence(self, **changes):
        """Evidence around it, with the certificate of the development CA."""
        return evidence(self.body(), **changes)


def evidence(body, **changes):
    """Evidence of this kind around ``body``."""
    defaults = {
        "kind": "insecure-software",
        "media_type": 'application/cose; cose-type="cose-sign1"',
        "body": body,
        "endorsements": (authority().certificate,),
    }
    return Evidence(**{**defaults, **changes})


def verified(untrusted, *, expected=BOUND, now=NOW, anchors=None, limits=None):
    """The claims, with this development CA as the only anchor."""
    pinned = frozenset({authority().fingerprint}) if anchors is None else anchors
    return verify_insecure_software(
        untrusted, expected=expected, now=now, anchors=pinned, limits=limits or EvidenceLimits()
    )


def refused(untrusted, code, check="", **changes):
    """The refusal, which has this code and a check that begins so."""
    with pytest.raises(EvidenceRejected) as caught:
        verified(untrusted, **changes)
    assert caught.value.code == code, str(caught.value)
    assert caught.value.check.startswith(f"insecure-software/{check}"), str(caught.value)
    return caught.value
