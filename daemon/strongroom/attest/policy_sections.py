"""The sections of a policy beside its accepted releases: platforms, keys, freshness, release, verifiers, simulation.

Source: contracts/attestation.md 8.2, 16.2 and 17.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from strongroom.attest.ar4si import AFFIRMING, WARNING
from strongroom.attest.assurance import CLASSES, INSECURE_KINDS, LOCAL
from strongroom.attest.policy_values import Table, invalid

__all__ = [
    "TCB_COMPONENTS",
    "TCB_STATUSES",
    "UP_TO_DATE",
    "Freshness",
    "Insecure",
    "IntelPlatform",
    "Release",
    "Snp",
    "Tpm2",
    "VerifierPin",
    "read_freshness",
    "read_insecure",
    "read_intel",
    "read_release",
    "read_snp",
    "read_tpm2",
    "read_verifiers",
]

UP_TO_DATE: Final = "UpToDate"
TCB_STATUSES: Final = (
    UP_TO_DATE,
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "TDRelaunchAdvised",
    "TDRelaunchAdvisedConfigurationNeeded",
)
"""What a policy may accept. Revoked is not among them."""
TCB_COMPONENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Milan": ("bl", "tee", "snp", "ucode"),
    "Genoa": ("bl", "tee", "snp", "ucode"),
    "Turin": ("fmc", "bl", "tee", "snp", "ucode"),
}
NONCE_TTL_S_MAX: Final = 600
"""Digests of evidence are remembered for ten minutes; a nonce must not outlive them."""
SKEW_S_MAX: Final = 3600
"""A clock that is further off than an hour is broken, and so is what it signs."""
COLLATERAL_DAYS_MAX: Final = 365
EVALUATION_NUMBER_MAX: Final = 2**32 - 1
U64_MAX: Final = 2**64 - 1
SHA256_BYTES: Final = 32
AK_NAME_BYTES: Final = 34
CHIP_ID_BYTES: Final = 64
_AK_NAME_PREFIX: Final = bytes.fromhex("000b")
_PIN: Final = re.compile(r"([a-z0-9][a-z0-9-]{0,63}) ([0-9][0-9a-z.+]{0,31}) sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class VerifierPin:
    """A distribution of verifiers that may be loaded: its name, its version, and SHA-256 of its RECORD in hex."""

    distribution: str
    version: str
    record_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How long a challenge lives, and how far a timestamp in evidence may be from now."""

    nonce_ttl_s: int
    max_skew_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a release needs: ``affirming``, or ``warning`` where a platform may be behind; the weakest class; and
    whether the capabilities that such a run calls must all be attested."""

    require: str
    min_assurance: str
    only_attested_capabilities: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snp:
    """The least firmware by product and component; the providers whose VLEK is taken; the chips that are known, None
    where any chip of AMD will do."""

    min_tcb: Mapping[str, Mapping[str, int]]
    csp_ids: tuple[str, ...]
    chip_ids: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntelPlatform:
    """What a platform of TDX or SGX may be, and how old Intel's word about it."""

    tcb_status: tuple[str, ...]
    reject_advisories: tuple[str, ...]
    min_evaluation_number: int
    max_collateral_age_days: int
    allow_dynamic_platform: bool
    allow_cached_keys: bool
    allow_smt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tpm2:
    """SHA-256 of endorsement CAs; names of the enrolled attestation keys; firmware, None where any will do."""

    ek_anchors: tuple[bytes, ...]
    aks: tuple[bytes, ...]
    firmware_versions: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Insecure:
    """Which simulations a test vault takes, and SHA-256 of the development CAs that sign them."""

    allow_kinds: tuple[str, ...]
    anchors: tuple[bytes, ...]


def read_verifiers(top: Table) -> tuple[VerifierPin, ...]:
    """``[verifiers]``: without it none is loaded."""
    table = top.table("verifiers", ["load"])
    pins = []
    for number, text in enumerate(table.texts("load")):
        match = _PIN.fullmatch(text)
        if match is None:
            wanted = 'this must be "NAME VERSION sha256:" and 64 lower-case hex digits'
            raise invalid(f"{table.where('load')}[{number}]", wanted)
        pins.append(VerifierPin(*match.groups()))
    if len({each.distribution for each in pins}) != len(pins):
        raise invalid(table.where("load"), "one distribution stands here twice")
    return tuple(pins)


def read_freshness(top: Table) -> Freshness:
    """``[freshness]``: 60 and 300 seconds unless it says otherwise."""
    table = top.table("freshness", ["nonce_ttl_s", "max_skew_s"])
    return Freshness(
        nonce_ttl_s=table.integer("nonce_ttl_s", 1, NONCE_TTL_S_MAX, default=60),
        max_skew_s=table.integer("max_skew_s", 1, SKEW_S_MAX, default=300),
    )


def read_release(top: Table) -> Release:
    """``[release]``, which must be there."""
    table = top.table("release", ["require", "min_assurance", "only_attested_capabilities"])
    return Release(
        require=table.choice("require", [AFFIRMING, WARNING]),
        min_assurance=table.choice("min_assurance", [each for each in CLASSES if each != LOCAL]),
        only_attested_capabilities=table.flag("only_attested_capabilities", default=False),
    )


def read_snp(top: Table) -> Snp | None:
    """``[sev-snp]``, or None where it is missing."""
    if "sev-snp" not in top:
        return None
    table = top.table("sev-snp", ["min_tcb", "csp_ids", "chip_ids"])
    products = table.table("min_tcb", TCB_COMPONENTS)
    min_tcb = {}
    for product in products:
        names = TCB_COMPONENTS[product]
        components = products.table(product, names)
        min_tcb[product] = {name: components.integer(name, 0, 255) for name in names}
    chip_ids = table.hexes("chip_ids", CHIP_ID_BYTES) if "chip_ids" in table else None
    return Snp(min_tcb=min_tcb, csp_ids=table.texts("csp_ids"), chip_ids=chip_ids)


def read_intel(top: Table, kind: str) -> IntelPlatform | None:
    """``[tdx]`` or ``[sgx]``, or None where it is missing."""
    if kind not in top:
        return None
    table = top.table(kind, IntelPlatform.__slots__)
    if "tcb_status" in table and "Revoked" in table.texts("tcb_status"):
        raise invalid(table.where("tcb_status"), "a revoked platform is never accepted")
    return IntelPlatform(
        tcb_status=table.choices("tcb_status", TCB_STATUSES),
        reject_advisories=table.texts("reject_advisories"),
        min_evaluation_number=table.integer("min_evaluation_number", 0, EVALUATION_NUMBER_MAX),
        max_collateral_age_days=table.integer("max_collateral_age_days", 1, COLLATERAL_DAYS_MAX),
        allow_dynamic_platform=table.flag("allow_dynamic_platform", default=False),
        allow_cached_keys=table.flag("allow_cached_keys", default=False),
        allow_smt=table.flag("allow_smt", default=False),
    )


def read_tpm2(top: Table) -> Tpm2 | None:
    """``[tpm2]``, or None where it is missing."""
    if "tpm2" not in top:
        return None
    table = top.table("tpm2", ["ek_anchors", "aks", "firmware_versions"])
    aks = table.hexes("aks", AK_NAME_BYTES)
    for number, name in enumerate(aks):
        if not name.startswith(_AK_NAME_PREFIX):
            raise invalid(f"{table.where('aks')}[{number}]", "the name of a key begins with 000b, which is SHA-256")
    is_firmware_named = "firmware_versions" in table
    return Tpm2(
        ek_anchors=table.hexes("ek_anchors", SHA256_BYTES),
        aks=aks,
        firmware_versions=table.integers("firmware_versions", 0, U64_MAX) if is_firmware_named else None,
    )


def read_insecure(top: Table) -> Insecure:
    """``[insecure]``: without it no simulation is taken."""
    table = top.table("insecure", ["allow_kinds", "anchors"])
    return Insecure(
        allow_kinds=table.choices("allow_kinds", sorted(INSECURE_KINDS)), anchors=table.hexes("anchors", SHA256_BYTES)
    )
