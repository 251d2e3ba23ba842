"""Whether a request comes from an enclave that is trusted, about exactly these parameters.

The production verifier of Nitro documents decides, under the anchors that it is given: a test's root makes test
documents, which nothing else accepts. Then the user data must be the hash of the parameters, and PCR0, 1 and 2 together
one of the trusted sets.
The dialect has no nonce, so only the clock makes a document fresh: the same request may come again within that time.
A host checks the keys and answers of an enclave here as well, with the hashes of 10.1 as user data.
Source: contracts/confidential.md 11 and 14; contracts/attestation.md 24.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from strongroom.attest.anchors import PINNED
from strongroom.attest.codes import BINDING, DEBUG, MEASUREMENT
from strongroom.attest.evidence import INSECURE, Claims, Evidence, EvidenceLimits, is_same
from strongroom.attest.nitro import KIND, verify_nitro
from strongroom.plugin import EvidenceRejected, Forbidden
from strongroom_confidential_workflows.dialect.go_json import Members, parse
from strongroom_confidential_workflows.dialect.limits import MEASUREMENT_SETS_MAX, MEASUREMENT_SETS_TEXT_MAX
from strongroom_confidential_workflows.dialect.messages import malformed

__all__ = ["AGE_S_MAX", "MEDIA_TYPE", "AttestedRequest", "PcrSet", "read_trusted_sets"]

AGE_S_MAX: Final = 300
"""The most that the dialect allows; a document from the future is as bad as an old one."""
MEDIA_TYPE: Final = 'application/cose; cose-type="cose-sign1"'
_PCRS: Final = ("pcr0", "pcr1", "pcr2")
_HEX_SIZES: Final = (64, 96, 128)


@dataclass(frozen=True, slots=True)
class PcrSet:
    """PCR0, 1 and 2 of one release of an enclave. They are compared together and never mixed."""

    pcr0: bytes
    pcr1: bytes
    pcr2: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestedRequest:
    """The check: ``trusted`` measurements, never none; ``anchors`` as SHA-256 of DER certificates, hex;
    ``age_s_max`` from 1 to 300; ``clock`` gives the time with its zone."""

    trusted: tuple[PcrSet, ...]
    anchors: frozenset[str]
    clock: Callable[[], datetime]
    age_s_max: int = AGE_S_MAX

    def __post_init__(self) -> None:
        """Raise ``InvalidInput`` for a check that would accept everything, or nothing."""
        if not self.trusted:
            raise malformed("trusted measurements", "at least one set")
        if not self.anchors:
            raise malformed("anchors", "at least one root")
        if not 1 <= self.age_s_max <= AGE_S_MAX:
            raise malformed("age_s_max", f"1 to {AGE_S_MAX} seconds")

    @property
    def insecure(self) -> str:
        """What a host must show beside everything that is given because of this check; empty for the maker's roots."""
        return "" if self.anchors <= PINNED[KIND] else INSECURE

    def check(self, untrusted_document: bytes, user_data: bytes) -> Claims:
        """The claims of a document about ``user_data``.

        Raises ``Forbidden`` when there is none, ``EvidenceRejected`` with the code of the first check that fails.
        """
        if not untrusted_document:
            raise Forbidden("SR-DIAL-006", "missing attestation", fix="attest the hash of the parameters")
        claims = verify_nitro(
            Evidence(KIND, MEDIA_TYPE, untrusted_document),
            expected=None,
            now=self.clock(),
            anchors=self.anchors,
            limits=EvidenceLimits(skew_s_max=self.age_s_max),
        )
        _check_user_data(claims, user_data)
        self._check_measurements(claims)
        return claims

    def _check_measurements(self, claims: Claims) -> None:
        found = [claims.facts.get(name) for name in _PCRS]
        # A debug enclave measures to zeros; that is said before anything is compared.
        if all(isinstance(each, bytes) and not any(each) for each in found):
            got = "pcr0, pcr1 and pcr2 are all zero"
            raise EvidenceRejected(DEBUG, "relay debug", got=got, wanted="an enclave without debugging")
        if any((each.pcr0, each.pcr1, each.pcr2) == tuple(found) for each in self.trusted):
            return
        values = [each.hex() if isinstance(each, bytes) else "absent" for each in found]
        seen = ", ".join(f"{name} {value}" for name, value in zip(_PCRS, values, strict=True))
        got = f"no trusted PCR set matched: {len(self.trusted)} tried, found {seen}"
        raise EvidenceRejected(MEASUREMENT, "relay measurements", got=got)


def read_trusted_sets(untrusted: bytes) -> tuple[PcrSet, ...]:
    """One set, ``{"pcr0", "pcr1", "pcr2"}`` in hex, or a JSON array of sets. Raises ``InvalidInput`` or
    ``LimitExceeded``; for an empty array as well, which would trust nobody."""
    found = parse("trusted measurements", untrusted, bytes_max=MEASUREMENT_SETS_TEXT_MAX)
    listed = found if isinstance(found, list) else [found]
    name = "sets"
    whole = Members("", {name: listed}, frozenset({name}))
    sets = whole.each(name, _read_set, count_max=MEASUREMENT_SETS_MAX)
    if not sets:
        raise malformed("trusted measurements", "at least one set")
    return sets


def _read_set(place: str, untrusted: object) -> PcrSet:
    members = Members(place, untrusted, frozenset(_PCRS))
    return PcrSet(*(_register(members, name) for name in _PCRS))


def _register(members: Members, name: str) -> bytes:
    text = members.text(name)
    try:
        found = bytes.fromhex(text) if len(text) in _HEX_SIZES and not any(map(str.isspace, text)) else b""
    except ValueError:
        found = b""
    if not any(found):
        raise malformed(members.path(name), "32, 48 or 64 bytes in hex that are not all zero")
    return found


def _check_user_data(claims: Claims, wanted: bytes) -> None:
    found = claims.facts["user_data"]
    if not isinstance(found, bytes) or not is_same(found, wanted):
        got = found.hex() if isinstance(found, bytes) else "none"
        raise EvidenceRejected(BINDING, "relay user_data", got=got, wanted=wanted.hex())
