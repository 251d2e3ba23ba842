"""Rules that hold for a kind whatever a policy says, and its platform's section of the policy.

Each function takes the facts of authentic evidence. What runs on the platform is not looked at here: that is the
business of the accepted releases.
Source: contracts/attestation.md 6.2 (11), 7.2 (9), 9.2, 10, 11 and 16.1.
"""

from collections.abc import Mapping
from typing import Any, Final

from strongroom.attest.ar4si import CONFIGURATION, HARDWARE_ELEMENT, IDENTITY_ELEMENT, RUNTIME_OPAQUE, UNRECOGNISED
from strongroom.attest.codes import DEBUG, IDENTITY, INSECURE_KIND, PRIVILEGE, STALE, TCB
from strongroom.attest.demands import shown
from strongroom.attest.evidence import INSECURE, VTPM, is_same
from strongroom.attest.findings import Findings
from strongroom.attest.policy import Policy
from strongroom.attest.policy_sections import TCB_COMPONENTS, Snp, Tpm2

__all__ = ["Facts", "check_counts", "check_insecure", "check_nitro", "check_snp", "check_tpm"]

Facts = Mapping[str, Any]  # Any: see Claims
NITRO_CODE_PCRS: Final = ("pcr0", "pcr1", "pcr2")
VLEK: Final = "vlek"


def check_insecure(kind: str, policy: Policy, found: Findings) -> None:
    """A simulation: its hardware is 97, allowed or not."""
    key = "insecure.allow_kinds"
    is_allowed = kind in policy.insecure.allow_kinds
    got = f"{kind}, which the policy {'allows for tests' if is_allowed else 'does not allow'}: {INSECURE}"
    found.check(
        f"{kind}/hardware",
        False,
        element=HARDWARE_ELEMENT,
        code=INSECURE_KIND,
        got=got,
        wanted="hardware that protects from the host operator",
        key=key,
        value=UNRECOGNISED,
    )


def check_nitro(facts: Facts, found: Findings) -> None:
    """A debug enclave measures to zeros; that is tested before anything is compared with a list."""
    values = [facts.get(name) for name in NITRO_CODE_PCRS]
    is_debug = all(isinstance(each, bytes) and not any(each) for each in values)
    found.check(
        "nitro/11 debug",
        not is_debug,
        element=HARDWARE_ELEMENT,
        code=DEBUG,
        got="pcr0, pcr1 and pcr2 are all zero" if is_debug else "registers that were measured",
        wanted="an enclave without debugging",
    )
    found.affirm(RUNTIME_OPAQUE)


def check_snp(facts: Facts, snp: Snp | None, found: Findings) -> None:
    """Debugging, migration, firmware, and the provider or chip."""
    for fact, code, element in (("debug", DEBUG, HARDWARE_ELEMENT), ("migrate_ma", PRIVILEGE, CONFIGURATION)):
        value = facts.get(fact)
        found.check(f"snp/9 {fact}", value is False, element=element, code=code, got=shown(value), wanted="no")
    found.affirm(RUNTIME_OPAQUE)
    if snp is None:
        return
    _check_snp_tcb(facts, snp, found)
    if facts.get("signing_key") == VLEK:
        csp_id = facts.get("csp_id")
        found.check(
            "snp/6 provider",
            csp_id in snp.csp_ids,
            element=IDENTITY_ELEMENT,
            code=IDENTITY,
            got=shown(csp_id),
            wanted=shown(snp.csp_ids) if snp.csp_ids else "no provider: none is listed",
            key="sev-snp.csp_ids",
        )
    if snp.chip_ids is not None:
        chip_id = facts.get("chip_id")
        found.check(
            "snp/6 chip",
            isinstance(chip_id, bytes) and any(is_same(chip_id, each) for each in snp.chip_ids),
            element=IDENTITY_ELEMENT,
            code=IDENTITY,
            got=shown(chip_id),
            wanted=f"one of the {len(snp.chip_ids)} chips that are listed",
            key="sev-snp.chip_ids",
        )


def _check_snp_tcb(facts: Facts, snp: Snp, found: Findings) -> None:
    """Component by component, and never as one number: a newer microcode makes no older firmware good."""
    product = facts.get("product")
    key = f"sev-snp.min_tcb.{product}"
    minimum = snp.min_tcb.get(product) if isinstance(product, str) else None
    wanted = ", ".join(snp.min_tcb) or "no product: none is listed"
    if not found.check(
        "snp/9 product",
        minimum is not None,
        element=HARDWARE_ELEMENT,
        code=TCB,
        got=shown(product),
        wanted=wanted,
        key="sev-snp.min_tcb",
    ):
        return
    levels = [facts.get(name) for name in ("reported_tcb", "committed_tcb", "current_tcb")]
    for name in TCB_COMPONENTS[str(product)]:
        values = [_component(level, name) for level in levels]
        reported, committed, current = values
        is_ordered = all(each is not None for each in values) and reported <= committed <= current
        found.check(
            f"snp/9 order {name}",
            is_ordered,
            element=HARDWARE_ELEMENT,
            code=TCB,
            got=f"reported {shown(reported)}, committed {shown(committed)}, current {shown(current)}",
            wanted="reported at most committed, committed at most current",
        )
        least = (minimum or {}).get(name)
        found.check(
            f"snp/9 reported_tcb {name}",
            reported is not None and least is not None and reported >= least,
            element=HARDWARE_ELEMENT,
            code=TCB,
            got=shown(reported),
            wanted=f"at least {shown(least)}",
            key=f"{key}.{name}",
        )


def _component(level: object, name: str) -> Any:  # Any: a number, or None where there is none
    value = level.get(name) if isinstance(level, Mapping) else None
    return value if type(value) is int else None


def check_tpm(facts: Facts, assurance: str, tpm2: Tpm2 | None, found: Findings) -> None:
    """An enrolled key of a TPM whose maker is listed, of listed firmware."""
    if tpm2 is None:
        return
    is_anchored = assurance == VTPM and facts.get("is_ek_anchored") is True and bool(tpm2.ek_anchors)
    found.check(
        "tpm/3 endorsement",
        is_anchored,
        element=HARDWARE_ELEMENT,
        code=IDENTITY,
        got="an endorsement key of a listed maker" if is_anchored else "an endorsement key of nobody who is listed",
        wanted=f"one that makes it {VTPM}",
        key="tpm2.ek_anchors",
        value=UNRECOGNISED,
    )
    name = facts.get("ak_name")
    found.check(
        "tpm/2 enrolled",
        isinstance(name, bytes) and any(is_same(name, each) for each in tpm2.aks),
        element=IDENTITY_ELEMENT,
        code=IDENTITY,
        got=shown(name),
        wanted=f"one of the {len(tpm2.aks)} enrolled keys",
        key="tpm2.aks",
    )
    if tpm2.firmware_versions is not None:
        version = facts.get("firmware_version")
        found.check(
            "tpm/7 firmware",
            type(version) is int and version in tpm2.firmware_versions,
            element=HARDWARE_ELEMENT,
            code=TCB,
            got=shown(version),
            wanted=shown(tpm2.firmware_versions),
            key="tpm2.firmware_versions",
        )


def check_counts(check: str, facts: Facts, last_counts: tuple[int, int] | None, found: Findings) -> None:
    """A TPM whose counters went back was rolled back. ``last_counts`` are those seen last from its key, None for a new
    one: resets, and restarts, which a reset starts anew."""
    counts = facts.get("reset_count"), facts.get("restart_count")
    is_known = all(type(each) is int for each in counts)
    found.check(
        check,
        is_known and (last_counts is None or counts >= last_counts),
        element=HARDWARE_ELEMENT,
        code=STALE,
        got=shown(counts),
        wanted=f"not below {shown(last_counts)}" if last_counts is not None else "two numbers",
    )
