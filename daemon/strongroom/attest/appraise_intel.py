"""Rules of TDX and SGX: what Intel says of the platform, and what no quote may have, whatever a policy says.

The facts are those of ``dcap.verify_tdx`` and ``verify_sgx``. Debugging is read from the attributes themselves.
Source: contracts/attestation.md 8.1 to 8.3 and 16.1.
"""

from datetime import datetime, timedelta
from typing import Final

from strongroom.attest.appraise_kinds import Facts
from strongroom.attest.ar4si import CONFIGURATION, HARDWARE_ELEMENT, RUNTIME_OPAQUE
from strongroom.attest.codes import ADVISORY, COLLATERAL_EXPIRED, CONFIG, DEBUG, PRIVILEGE, REVOKED, TCB
from strongroom.attest.demands import shown
from strongroom.attest.findings import Findings
from strongroom.attest.policy_sections import UP_TO_DATE, IntelPlatform

__all__ = ["check_intel_platform", "check_sgx", "check_tdx"]

REVOKED_STATUS: Final = "Revoked"
TD_DEBUG_BITS: Final = 0xFF
"""Bit 0 is DEBUG; 1 to 7 are reserved for the same group."""
TD_SEPT_VE_DISABLE: Final = 1 << 28
TD_ATTRIBUTES_BYTES: Final = 8
MR_BYTES: Final = 48
SGX_INIT: Final = 1
SGX_DEBUG: Final = 2
SGX_ATTRIBUTES_BYTES: Final = 16
# Fact -> the flag of the policy that puts up with it.
_PROPERTIES: Final = {
    "dynamic_platform": "allow_dynamic_platform",
    "cached_keys": "allow_cached_keys",
    "smt_enabled": "allow_smt",
}


def check_tdx(facts: Facts, found: Findings) -> None:
    """No debugging, no service TD beside it, and no page that its host may take away unseen."""
    bits = _bits(facts.get("td_attributes"), TD_ATTRIBUTES_BYTES)
    got = shown(facts.get("td_attributes"))
    is_debug_free = bits is not None and not bits & TD_DEBUG_BITS
    found.check("tdx/8 debug", is_debug_free, element=HARDWARE_ELEMENT, code=DEBUG, got=got, wanted="bits 0 to 7 clear")
    # None is what TD 1.0 has, which knows no service TDs; a fact that is not there at all is something else.
    service_td = facts.get("mr_service_td", "nothing was said of it")
    found.check(
        "tdx/8 service TD",
        service_td is None or (isinstance(service_td, bytes) and service_td == bytes(MR_BYTES)),
        element=CONFIGURATION,
        code=PRIVILEGE,
        got=shown(service_td),
        wanted="no service TD",
    )
    found.check(
        "tdx/8 SEPT_VE_DISABLE",
        bits is not None and bool(bits & TD_SEPT_VE_DISABLE),
        element=CONFIGURATION,
        code=CONFIG,
        got=got,
        wanted="bit 28 set",
    )
    found.affirm(RUNTIME_OPAQUE)


def check_sgx(facts: Facts, found: Findings) -> None:
    """An enclave that was initialised, without debugging."""
    bits = _bits(facts.get("attributes"), SGX_ATTRIBUTES_BYTES)
    found.check(
        "sgx/8 debug",
        bits is not None and bool(bits & SGX_INIT) and not bits & SGX_DEBUG,
        element=HARDWARE_ELEMENT,
        code=DEBUG,
        got=shown(facts.get("attributes")),
        wanted="INIT set and DEBUG clear",
    )
    found.affirm(RUNTIME_OPAQUE)


def check_intel_platform(
    kind: str, facts: Facts, platform: IntelPlatform | None, *, now: datetime, found: Findings
) -> None:
    """Status and advisories against the policy, the age of what Intel said, and properties of the platform."""
    if platform is None:
        return
    _check_status(kind, facts, platform, found)
    advisories = facts.get("advisories")
    is_list = isinstance(advisories, list | tuple)
    refused = sorted(set(advisories) & set(platform.reject_advisories)) if is_list and advisories else []
    found.check(
        f"{kind}/8 advisories",
        is_list and not refused,
        element=HARDWARE_ELEMENT,
        code=ADVISORY,
        got=shown(refused or advisories),
        wanted=f"none of {shown(platform.reject_advisories)}" if platform.reject_advisories else "a list",
        key=f"{kind}.reject_advisories",
    )
    number = facts.get("evaluation_number")
    found.check(
        f"{kind}/8 evaluation number",
        type(number) is int and number >= platform.min_evaluation_number,
        element=HARDWARE_ELEMENT,
        code=TCB,
        got=shown(number),
        wanted=f"at least {platform.min_evaluation_number}",
        key=f"{kind}.min_evaluation_number",
    )
    issued = facts.get("collateral_issued")
    oldest = now - timedelta(days=platform.max_collateral_age_days)
    found.check(
        f"{kind}/8 collateral age",
        isinstance(issued, datetime) and issued >= oldest,
        element=HARDWARE_ELEMENT,
        code=COLLATERAL_EXPIRED,
        got=shown(issued),
        wanted=f"issued at {oldest} or later",
        key=f"{kind}.max_collateral_age_days",
    )
    for fact, flag in _PROPERTIES.items():
        value = facts.get(fact, "absent")
        found.check(
            f"{kind}/8 {fact}",
            value is None or value is False or (value is True and bool(getattr(platform, flag))),
            element=CONFIGURATION,
            code=CONFIG,
            got=shown(value),
            wanted="yes or no" if getattr(platform, flag) else "no",
            key=f"{kind}.{flag}",
        )


def _check_status(kind: str, facts: Facts, platform: IntelPlatform, found: Findings) -> None:
    """A status other than UpToDate is a warning where it is listed. A revoked platform is never accepted."""
    status, key = facts.get("tcb_status"), f"{kind}.tcb_status"
    wanted = ", ".join(platform.tcb_status) or "no status: the list is empty"
    check = f"{kind}/8 TCB status"
    if status in platform.tcb_status and status not in {UP_TO_DATE, REVOKED_STATUS}:
        found.warn(check, element=HARDWARE_ELEMENT, code=TCB, got=shown(status), wanted=UP_TO_DATE, key=key)
        return
    code = REVOKED if status == REVOKED_STATUS else TCB
    is_listed = status == UP_TO_DATE and status in platform.tcb_status
    found.check(check, is_listed, element=HARDWARE_ELEMENT, code=code, got=shown(status), wanted=wanted, key=key)


def _bits(value: object, size_bytes: int) -> int | None:
    """The bits of a field, which is little-endian, or None for something else."""
    return int.from_bytes(value, "little") if isinstance(value, bytes) and len(value) == size_bytes else None
