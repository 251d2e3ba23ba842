"""What a policy accepts that another does not, line by line.

Rule 1: nothing that widens a policy is left out: a test widens each line and looks for it here.
Rule 2: the other way round, ``newly_accepted(new, old)``, is what the newer one no longer accepts.
Source: contracts/attestation.md 16.4.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from strongroom.attest.ar4si import WARNING
from strongroom.attest.assurance import is_at_least
from strongroom.attest.demands import Entry, shown
from strongroom.attest.policy import PRODUCTION, Policy
from strongroom.attest.policy_sections import IntelPlatform, Snp, Tpm2

__all__ = ["Widening", "newly_accepted"]


@dataclass(frozen=True, slots=True)
class Widening:
    """One line of the newer policy, as ``file:dotted.key``, and what it accepts that was refused."""

    where: str
    what: str


def newly_accepted(old: Policy, new: Policy) -> tuple[Widening, ...]:
    """Everything that ``new`` accepts and ``old`` does not, line by line; nothing where it is as strict."""
    found = [*_top(old, new), *_entries(old, new), *_release(old, new), *_sections(old, new)]
    return tuple(Widening(new.where(key), what) for key, what in found)


_Lines = Iterator[tuple[str, str]]


def _top(old: Policy, new: Policy) -> _Lines:
    if old.profile == PRODUCTION and new.profile != PRODUCTION:
        yield "profile", "a vault for tests, which may take simulations"
    yield from _lower("min_runner_svn", old.min_runner_svn, new.min_runner_svn, "runners of version")
    for pin in new.verifiers:
        if pin not in old.verifiers:
            yield "verifiers.load", f"{pin.distribution} {pin.version} with RECORD {pin.record_sha256}"
    yield from _higher("freshness.nonce_ttl_s", old.freshness.nonce_ttl_s, new.freshness.nonce_ttl_s)
    yield from _higher("freshness.max_skew_s", old.freshness.max_skew_s, new.freshness.max_skew_s)


def _entries(old: Policy, new: Policy) -> _Lines:
    for entry in new.entries:
        before = old.entries_of(entry.kind)
        if not any(each.covers(entry) for each in before):
            named = next((each for each in before if each.name == entry.name), None)
            yield f"accept.{entry.kind}.{entry.name}", _entry_text(named, entry)


def _entry_text(named: Entry | None, entry: Entry) -> str:
    """How it differs from the entry of the same name, where there is one."""
    if named is None:
        return "a new release: " + "; ".join(f"{each.key} {each.wanted()}" for each in entry.demands)
    theirs = {each.key: each for each in entry.demands}
    parts = []
    for demand in named.demands:
        other = theirs.get(demand.key)
        if other is None:
            parts.append(f"{demand.key} no longer matters")
        elif not demand.covers(other):
            parts.append(f"{demand.key} {other.wanted()}")
    return "; ".join(parts)


def _release(old: Policy, new: Policy) -> _Lines:
    if new.release.require == WARNING != old.release.require:
        yield "release.require", "platforms with a status that is listed and is not UpToDate"
    if not is_at_least(new.release.min_assurance, old.release.min_assurance):
        yield "release.min_assurance", f"class {new.release.min_assurance}"
    if old.release.only_attested_capabilities and not new.release.only_attested_capabilities:
        yield "release.only_attested_capabilities", "answers of capabilities that are not attested"


def _sections(old: Policy, new: Policy) -> _Lines:
    if new.snp is not None:
        yield from _snp(old.snp, new.snp)
    for kind, before, after in (("tdx", old.tdx, new.tdx), ("sgx", old.sgx, new.sgx)):
        if after is not None:
            yield from _intel(kind, before, after)
    if new.tpm2 is not None:
        yield from _tpm2(old.tpm2, new.tpm2)
    yield from _more("insecure.allow_kinds", old.insecure.allow_kinds, new.insecure.allow_kinds)
    yield from _more("insecure.anchors", old.insecure.anchors, new.insecure.anchors)


def _snp(old: Snp | None, new: Snp) -> _Lines:
    if old is None:
        yield "sev-snp", "platforms of AMD"
        return
    for product, components in new.min_tcb.items():
        before = old.min_tcb.get(product)
        if before is None:
            yield f"sev-snp.min_tcb.{product}", f"processors of {product}"
            continue
        for name, value in components.items():
            yield from _lower(f"sev-snp.min_tcb.{product}.{name}", before[name], value, "version")
    yield from _more("sev-snp.csp_ids", old.csp_ids, new.csp_ids)
    yield from _optional("sev-snp.chip_ids", old.chip_ids, new.chip_ids, "any chip")


def _intel(kind: str, old: IntelPlatform | None, new: IntelPlatform) -> _Lines:
    if old is None:
        yield kind, "platforms of Intel"
        return
    yield from _more(f"{kind}.tcb_status", old.tcb_status, new.tcb_status)
    for advisory in old.reject_advisories:
        if advisory not in new.reject_advisories:
            yield f"{kind}.reject_advisories", f"platforms with {advisory}"
    yield from _lower(f"{kind}.min_evaluation_number", old.min_evaluation_number, new.min_evaluation_number, "number")
    yield from _higher(f"{kind}.max_collateral_age_days", old.max_collateral_age_days, new.max_collateral_age_days)
    for flag in ("allow_dynamic_platform", "allow_cached_keys", "allow_smt"):
        if getattr(new, flag) and not getattr(old, flag):
            yield f"{kind}.{flag}", "platforms that are so"


def _tpm2(old: Tpm2 | None, new: Tpm2) -> _Lines:
    if old is None:
        yield "tpm2", "TPMs"
        return
    yield from _more("tpm2.ek_anchors", old.ek_anchors, new.ek_anchors)
    yield from _more("tpm2.aks", old.aks, new.aks)
    yield from _optional("tpm2.firmware_versions", old.firmware_versions, new.firmware_versions, "any firmware")


def _lower(key: str, old: int, new: int, what: str) -> _Lines:
    if new < old:
        yield key, f"{what} {new} to {old - 1}"


def _higher(key: str, old: int, new: int) -> _Lines:
    if new > old:
        yield key, f"{old + 1} to {new}"


def _more(key: str, old: Sequence[Any], new: Sequence[Any]) -> _Lines:  # Any: values of one type
    for value in new:
        if value not in old:
            yield key, shown(value)


def _optional(key: str, old: Sequence[Any] | None, new: Sequence[Any] | None, everything: str) -> _Lines:
    """A list that demands nothing when it is not there."""
    if old is None:
        return
    if new is None:
        yield key, everything
    else:
        yield from _more(key, old, new)
