"""Evidence of kind ``tdx`` and ``sgx``: DCAP quotes of Intel, with collateral that the attester brings along.

Rule 1: what can be checked here is checked here first, so that a refusal says what is wrong; signatures, TCB levels and
revocation are verified by the library.
Rule 2: the root is pinned: it is read from the quote, compared by its digest, and is the one that the library gets.
Rule 3: a revoked platform is refused. Whether another status is good enough is for the policy.
Source: contracts/attestation.md 8.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from strongroom.attest.codes import ALGORITHM, CHAIN, REVOKED
from strongroom.attest.collateral import Collateral, chain_in, check_collateral, parse_collateral
from strongroom.attest.dcap_library import fmspc_of, verified_claims
from strongroom.attest.evidence import (
    HARDWARE,
    Binding,
    Claims,
    Evidence,
    EvidenceLimits,
    check_kind,
    check_path,
    check_size,
    padded_report_data,
)
from strongroom.attest.json_values import Json
from strongroom.attest.quote import SGX, TDX, Quote, parse_quote
from strongroom.crypto.certificates import Certificate
from strongroom.crypto.public_keys import ECDSA_P256
from strongroom.errors import EvidenceRejected

__all__ = ["merged_status", "verify_sgx", "verify_tdx"]

REVOKED_STATUS: Final = "Revoked"
_OLD, _RELAUNCH, _CONFIGURATION, _HARDENING = "old", "relaunch", "configuration", "hardening"
# What each status says is wrong. One that is out of date needs more than what the milder ones ask for.
_FAULTS: Final[Mapping[str, frozenset[str]]] = {
    "UpToDate": frozenset(),
    "SWHardeningNeeded": frozenset({_HARDENING}),
    "ConfigurationNeeded": frozenset({_CONFIGURATION}),
    "ConfigurationAndSWHardeningNeeded": frozenset({_CONFIGURATION, _HARDENING}),
    "OutOfDate": frozenset({_OLD}),
    "OutOfDateConfigurationNeeded": frozenset({_OLD, _CONFIGURATION}),
    "TDRelaunchAdvised": frozenset({_RELAUNCH}),
    "TDRelaunchAdvisedConfigurationNeeded": frozenset({_RELAUNCH, _CONFIGURATION}),
}
ADVISORIES_MAX: Final = 256
PATH_MIN: Final = 3
_TEES: Final = {"sgx": SGX, "tdx": TDX}
_PROPERTIES: Final = ("dynamic_platform", "cached_keys", "smt_enabled")
_TRUTHS: Final = {"True": True, "False": False}


def verify_tdx(
    evidence: Evidence, *, expected: Binding | None, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
) -> Claims:
    """The claims of a TDX quote.

    Facts: the fields of the body (``mr_td``, ``rtmr0`` to ``rtmr3``, ``td_attributes``, ``mr_config_id``,
    ``report_data``, …; ``mr_service_td`` is None in TD 1.0), and of both kinds ``tcb_status``, ``advisories``,
    ``evaluation_number``, ``collateral_issued`` (when the oldest document in the collateral was issued), ``fmspc``,
    ``version``, and ``dynamic_platform``, ``cached_keys`` and ``smt_enabled``, each true, false, or None where the
    platform does not say.
    Raises ``EvidenceRejected``.
    """
    return _verify("tdx", evidence, expected, now, anchors, limits)


def verify_sgx(
    evidence: Evidence, *, expected: Binding | None, now: datetime, anchors: frozenset[str], limits: EvidenceLimits
) -> Claims:
    """The claims of an SGX quote: ``mr_enclave``, ``mr_signer``, ``isv_prod_id``, ``isv_svn``, ``attributes``,
    ``report_data``, …, and what ``verify_tdx`` says of the platform. Raises ``EvidenceRejected``."""
    return _verify("sgx", evidence, expected, now, anchors, limits)


def merged_status(platform: str, quoting: str) -> str:
    """One status with the faults of both. One that is in no table is given back as it is: no policy accepts it."""
    for each in (platform, quoting):
        if each not in _FAULTS:
            return each
    faults = _FAULTS[platform] | _FAULTS[quoting]
    for worst in (_OLD, _RELAUNCH):
        if worst in faults:
            faults &= {worst, _CONFIGURATION}
    return next(status for status, each in _FAULTS.items() if each == faults)


def _verify(
    kind: str,
    evidence: Evidence,
    expected: Binding | None,
    now: datetime,
    anchors: frozenset[str],
    limits: EvidenceLimits,
) -> Claims:
    check_kind(f"{kind}/kind", evidence, kind)
    check_size(f"{kind}/size", evidence.body, limits.quote_bytes_max)
    quote = parse_quote(kind, evidence.body, _TEES[kind])
    collateral = parse_collateral(f"{kind}/collateral", evidence.endorsements, limits)
    path = _checked_path(f"{kind}/chain", quote, anchors, now, limits)
    fmspc = fmspc_of(kind, quote.raw)
    check_collateral(f"{kind}/collateral", collateral, fmspc=fmspc, path=path, anchors=anchors, now=now)
    found = verified_claims(kind, quote.raw, collateral.text, path[0].der, now)
    facts = {**quote.fields, **_platform(found, collateral)}
    facts.update(fmspc=fmspc.lower(), version=quote.version, qe_svn=quote.qe_svn, pce_svn=quote.pce_svn)
    if facts["tcb_status"] == REVOKED_STATUS:
        raise EvidenceRejected(REVOKED, f"{kind}/tcb", got=REVOKED_STATUS, wanted="a platform that is not revoked")
    if expected is not None:
        padded_report_data(f"{kind}/binding report_data", quote.report_data, expected)
    return Claims(kind=kind, assurance=HARDWARE, is_bound=expected is not None, evidence=quote.raw, facts=facts)


def _checked_path(
    check: str, quote: Quote, anchors: frozenset[str], now: datetime, limits: EvidenceLimits
) -> list[Certificate]:
    """From the pinned root to the certificate of the platform's key."""
    path = chain_in(check, quote.pck_chain, limits)[::-1]
    for each in path:
        if each.key.kind != ECDSA_P256 or each.signature_hash != "sha256":
            got = f"{each.key.kind} signed with {each.signature_hash or 'no hash'}"
            raise EvidenceRejected(ALGORITHM, f"{check} keys", got=got, wanted=f"{ECDSA_P256} signed with sha256")
    check_path(check, path, anchors=anchors, now=now)
    if len(path) < PATH_MIN:
        raise EvidenceRejected(CHAIN, check, got=f"{len(path)} certificates", wanted="a root, an authority and a leaf")
    return path


def _platform(found: Json, collateral: Collateral) -> dict[str, Any]:  # Any: texts, numbers and tuples, as facts are
    tcb = found.object("tcb")
    quoting = found.object("qe").object("tcb_level").text("tcbStatus")
    pck = found.object("platform").object("pck")
    return {
        # The library merges the two, and does not let every status of the quoting enclave through.
        "tcb_status": merged_status(tcb.text("status"), quoting),
        "advisories": tuple(str(each) for each in tcb.list("advisory_ids", count_max=ADVISORIES_MAX)),
        "evaluation_number": min(collateral.evaluation_number, tcb.number("eval_data_number", end=2**31)),
        "collateral_issued": collateral.issued_at,
        **{name: _TRUTHS.get(pck.text(name)) for name in _PROPERTIES},
    }
