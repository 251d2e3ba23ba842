"""Which provider a runner has: the one of the configured kind, and no other.

Nothing is tried out. A kind without its device is an error that names the device; the next best kind is never taken,
because it would be the host that decides how much evidence is worth. A provider is loaded when it is the one.
Source: contracts/attestation.md 17.6.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.plugin import Misconfigured
from strongroom_confidential_workflows.providers.provider import EvidenceProvider
from strongroom_confidential_workflows.providers.software import SoftwareIdentity, SoftwareProvider

__all__ = ["KINDS", "EvidenceSettings", "device_of", "open_provider"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSettings:
    """What the operator configured.

    ``device`` is where evidence comes from, None for the usual place of the kind. ``pcrs`` are the registers that a TPM
    quotes. ``endorsements`` travel with the evidence, as its verifier wants them. ``software`` is for that kind alone.
    """

    kind: str
    device: Path | None = None
    pcrs: frozenset[int] = frozenset()
    endorsements: tuple[bytes, ...] = ()
    software: SoftwareIdentity | None = None


def open_provider(settings: EvidenceSettings) -> EvidenceProvider:
    """The provider of ``settings.kind``, with its device open.

    Raises ``Misconfigured`` for a kind that there is none of, and when its device is missing or another one.
    """
    opened = _PROVIDERS.get(settings.kind)
    if opened is None:
        why = f"there is a provider for {', '.join(KINDS)}"
        fix = "set the kind of the machine that the runner is on"
        what = f"no evidence of kind {settings.kind[:40]!r} can be made"
        raise Misconfigured("SR-EVID-014", what, why=why, fix=fix, where="evidence.kind")
    return opened(settings)


def device_of(kind: str, device: str = "") -> Path | None:
    """Where evidence of ``kind`` comes from: ``device`` where one is configured. None for kinds without any."""
    if device:
        return Path(device)
    if kind == "nitro":
        from strongroom_confidential_workflows.providers import nitro

        return nitro.DEVICE
    if kind in ("sev-snp", "tdx"):
        from strongroom_confidential_workflows.providers import tsm

        return tsm.ROOT
    if kind in ("insecure-swtpm", "tpm2"):
        from strongroom_confidential_workflows.providers import tpm2

        return tpm2.DEVICE
    return None


def _nitro(settings: EvidenceSettings) -> EvidenceProvider:
    from strongroom_confidential_workflows.providers import nitro

    return nitro.NitroProvider(settings.device or nitro.DEVICE)


def _sev_snp(settings: EvidenceSettings) -> EvidenceProvider:
    """By the report file system, or by the device where one is configured."""
    if settings.device is not None and not settings.device.is_dir():
        from strongroom_confidential_workflows.providers.sev_guest import SevGuestProvider

        return SevGuestProvider(settings.device, endorsements=settings.endorsements)
    return _tsm(settings)


def _software(settings: EvidenceSettings) -> EvidenceProvider:
    if settings.software is None:
        raise Misconfigured(
            "SR-EVID-015",
            f"evidence kind {settings.kind} needs a key, its certificate and a development CA",
            why="none is configured",
            fix="make a development CA and have it certify the runner's key",
            where="evidence.software",
        )
    return SoftwareProvider(settings.software)


def _tsm(settings: EvidenceSettings) -> EvidenceProvider:
    from strongroom_confidential_workflows.providers import tsm

    return tsm.TsmProvider(settings.kind, settings.device or tsm.ROOT, endorsements=settings.endorsements)


def _tpm(settings: EvidenceSettings) -> EvidenceProvider:
    from strongroom_confidential_workflows.providers import tpm2

    return tpm2.TpmProvider.open(
        settings.device or tpm2.DEVICE,
        registers=settings.pcrs,
        kind=settings.kind,
        endorsements=settings.endorsements,
    )


_PROVIDERS: Final[Mapping[str, Callable[[EvidenceSettings], EvidenceProvider]]] = {
    "insecure-software": _software,
    "insecure-swtpm": _tpm,
    "nitro": _nitro,
    "sev-snp": _sev_snp,
    "tdx": _tsm,
    "tpm2": _tpm,
}

KINDS: Final = tuple(_PROVIDERS)
