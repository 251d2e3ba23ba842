"""What is allowed in a policy and probably not meant: said to whoever tests one, and decided by nobody."""

from collections.abc import Iterator

from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.policy import TEST, Policy
from strongroom.errors import Misconfigured
from strongroom.plugin.installed import installed_distribution

__all__ = ["remarks"]


def remarks(policy: Policy) -> list[str]:
    """Each in a sentence that names the line."""
    return [*_of_verifiers(policy), *_of_kinds(policy), *_of_references(policy)]


def _of_verifiers(policy: Policy) -> Iterator[str]:
    where = policy.where("verifiers.load")
    if not policy.verifiers:
        yield f"{where} is empty: no verifier takes part, and everything is refused (SR-ATTEST-003)"
        return
    try:
        own = installed_distribution("strongroom")
    except Misconfigured:
        yield f"{where} cannot be compared: this strongroom is not installed from a wheel"
        return
    pins = [each for each in policy.verifiers if each.distribution == own.name]
    if not any((each.version, each.record_sha256) == (own.version, own.record_sha256) for each in pins):
        pin = f"{own.name} {own.version} sha256:{own.record_sha256}"
        yield f"{where} does not name this installation, {pin}; it is the vault's that counts"


def _of_kinds(policy: Policy) -> Iterator[str]:
    if not policy.entries:
        yield f"{policy.where('accept')} is empty: every kind is refused"
    for kind in dict.fromkeys(each.kind for each in policy.entries):
        missing = policy.missing_section(kind)
        if missing:
            yield f"{policy.where(missing)} is missing: {kind} is refused, though it has entries"
    if policy.tpm2 is not None and not policy.tpm2.ek_anchors:
        yield f"{policy.where('tpm2.ek_anchors')} is empty: every TPM is of class vtpm-untrusted"
    if policy.tpm2 is not None and not policy.tpm2.aks:
        yield f"{policy.where('tpm2.aks')} is empty: no attestation key is enrolled, and every TPM is refused"
    if policy.profile == TEST:
        yield f"{policy.where('profile')} is test: it may never open a production secret store"
    if policy.insecure.allow_kinds and not policy.insecure.anchors:
        yield f"{policy.where('insecure.anchors')} is empty: no development CA is trusted, so simulations are refused"


def _of_references(policy: Policy) -> Iterator[str]:
    """Reference values that two releases of one kind share, and kinds that are allowed and measured by nothing."""
    for kind in dict.fromkeys(each.kind for each in policy.entries):
        entries = policy.entries_of(kind)
        for number, entry in enumerate(entries):
            same = next((each.name for each in entries[:number] if each.demands == entry.demands), None)
            if same is not None:
                yield f"{policy.where(f'accept.{kind}.{entry.name}')} has the same reference values as {same}"
    for kind in INSECURE_KINDS & set(policy.insecure.allow_kinds):
        if not policy.entries_of(kind):
            yield f"{policy.where('insecure.allow_kinds')} has {kind}, which no entry measures: it is refused"
