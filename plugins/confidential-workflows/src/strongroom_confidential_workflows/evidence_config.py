"""The section ``evidence`` of the plugin's configuration, and the files that a runner is configured from.

Rule 1: the kind is configured, and never chosen: what the machine lacks is an error.
Rule 2: a vault for development writes its files when it starts, perhaps after this plugin. They are waited for, in the
thread that starts runners, and what is still missing then is named.
Source: contracts/attestation.md 13 and 17.6.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from strongroom.attest.enclave_config import ENCLAVE_CONFIG_BYTES_MAX, decode_enclave_config
from strongroom.attest.evidence import EvidenceLimits
from strongroom.attest.software import KIND as SOFTWARE
from strongroom.attest.tpm import INSECURE_KIND as SOFTWARE_TPM
from strongroom.attest.tpm import KIND as TPM
from strongroom.plugin import EvidenceRejected, Misconfigured, Unavailable
from strongroom_confidential_workflows.messages import Configure
from strongroom_confidential_workflows.providers.choice import KINDS
from strongroom_confidential_workflows.software_identity import NO_IDENTITY, IdentityIssuer, IssuedIdentity

__all__ = ["FILES_WAIT_S", "EvidenceConfig", "RunnerSettings"]

FILES_WAIT_S: Final = 10.0
"""A development vault of the same host makes them within this; the plugin is counted as started meanwhile. Shorter than
what a host gives a workflow to name its triggers, so that a registration hears which file is missing."""
FILES_POLL_S: Final = 0.1
REGIONS_MAX: Final = 64
PCRS_MAX: Final = 24
_KEYS: Final = frozenset({"kind", "device", "pcrs", "endorsements", "authority_key_file", "authority_file", "regions"})
_TPM_KINDS: Final = frozenset({TPM, SOFTWARE_TPM})
_REGION: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceConfig:
    """The section. ``from_config`` makes one; ``authority_key_file`` is for kind ``insecure-software`` alone."""

    kind: str
    device: str = ""
    pcrs: tuple[int, ...] = ()
    endorsements: tuple[Path, ...] = ()
    authority_key_file: Path | None = None
    authority_file: Path | None = None
    regions: tuple[str, ...] = ()

    @classmethod
    def from_config(cls, untrusted: Mapping[str, Any], *, is_local: bool = True) -> "EvidenceConfig":  # Any: YAML
        """The section as it was written. Raises ``ValueError`` naming the key.

        Runners that are not started here (``is_local`` false) bring what their evidence is made of.
        """
        if not isinstance(untrusted, Mapping):
            raise ValueError("evidence must be a map")
        if unknown := sorted(map(str, untrusted.keys() - _KEYS)):
            raise ValueError(f"evidence: unknown keys {', '.join(unknown)}")
        kind = untrusted.get("kind")
        if kind not in KINDS:
            raise ValueError(f"evidence.kind must say what this machine's evidence is: one of {', '.join(KINDS)}")
        pcrs = untrusted.get("pcrs", [])
        if not isinstance(pcrs, list) or any(type(each) is not int or not 0 <= each < PCRS_MAX for each in pcrs):
            raise ValueError(f"evidence.pcrs must be a list of numbers in 0..{PCRS_MAX - 1}")
        authority = _file(untrusted, "authority_key_file")
        if (authority is not None) != (kind == SOFTWARE and is_local):
            raise ValueError(f"evidence.authority_key_file belongs to kind {SOFTWARE} of runners that are started here")
        return cls(
            kind=kind,
            device=str(_file(untrusted, "device") or ""),
            pcrs=tuple(sorted(set(pcrs))),
            endorsements=tuple(map(_path, _texts(untrusted, "endorsements"))),
            authority_key_file=authority,
            authority_file=_file(untrusted, "authority_file"),
            regions=_regions(_texts(untrusted, "regions")),
        )

    @property
    def has_one_client(self) -> bool:
        """Whether runners must come one after another: a TPM behind a socket answers one client at a time, and has no
        resource manager. Devices stand in ``/dev``."""
        return self.kind in _TPM_KINDS and bool(self.device) and not Path(self.device).is_relative_to("/dev")


@dataclass(slots=True, kw_only=True)
class RunnerSettings:
    """What fresh runners are configured with. ``configure`` is called by the thread that starts them."""

    evidence: EvidenceConfig
    enclave_config_file: Path
    wait_s: float = FILES_WAIT_S
    _waited_until: float = field(default=0.0, init=False)
    _issuer: IdentityIssuer | None = field(default=None, init=False)

    def configure(self) -> Configure:
        """The first message to a runner that starts now. It is good for ``limits.SPARE_AGE_S_MAX``.

        Waits for files that are not there yet, for ``wait_s`` in all. Raises ``Unavailable`` naming the file that is
        missing, ``Misconfigured`` for one that is not what it must be.
        """
        evidence = self.evidence
        config = self._read(self.enclave_config_file, ENCLAVE_CONFIG_BYTES_MAX, "enclave_config_file")
        try:
            decode_enclave_config(config)
        except EvidenceRejected as error:
            raise _bad("enclave_config_file", self.enclave_config_file, str(error)) from error
        most = EvidenceLimits().endorsements_bytes_max
        identity = self._identity()
        return Configure(
            enclave_config=config,
            evidence_kind=evidence.kind,
            device=evidence.device,
            pcrs=evidence.pcrs,
            endorsements=tuple(self._read(path, most, "evidence.endorsements") for path in evidence.endorsements),
            regions=evidence.regions,
            software_key=identity.seed,
            software_certificate=identity.certificate,
            software_authority=identity.authority,
        )

    def edition(self) -> object:
        """Which file runners are configured from now: another one after a vault has written it anew."""
        try:
            found = self.enclave_config_file.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _identity(self) -> IssuedIdentity:
        path = self.evidence.authority_key_file
        if path is None:
            return NO_IDENTITY
        if self._issuer is None:
            self._wait_for(path, "evidence.authority_key_file")
            issuer = IdentityIssuer.load(path)
            pinned = self.evidence.authority_file
            if pinned is not None and self._read(pinned, 64 * 1024, "evidence.authority_file") != issuer.certificate:
                raise _bad("evidence.authority_file", pinned, "it is the certificate of another authority")
            self._issuer = issuer
        return self._issuer.identity(now=datetime.now(UTC))

    def _read(self, path: Path, bytes_max: int, key: str) -> bytes:
        self._wait_for(path, key)
        try:
            with path.open("rb") as file:
                content = file.read(bytes_max + 1)
        except OSError as error:
            raise _bad(key, path, error.strerror or type(error).__name__) from error
        if len(content) > bytes_max:
            raise _bad(key, path, f"it is larger than {bytes_max} bytes")
        return content

    def _wait_for(self, path: Path, key: str) -> None:
        self._waited_until = self._waited_until or time.monotonic() + self.wait_s
        while not path.exists():
            if time.monotonic() >= self._waited_until:
                raise Unavailable(
                    "SR-ENCL-012",
                    f"{key} {path} does not exist",
                    why="the vault writes it, or its operator copies it here",
                    fix="start the vault first, or name the file that its operator gave you",
                )
            time.sleep(FILES_POLL_S)


def _bad(key: str, path: Path, why: str) -> Misconfigured:
    return Misconfigured(
        "SR-ENCL-013", f"{key} {path} cannot be used", why=why, fix="take the file of your vault", where=key
    )


def _file(untrusted: Mapping[str, Any], key: str) -> Path | None:  # Any: whatever YAML can hold
    value = untrusted.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise ValueError(f"evidence.{key} must be the name of a file")
    return None if value is None else _path(value)


def _texts(untrusted: Mapping[str, Any], key: str) -> list[str]:  # Any: whatever YAML can hold
    value = untrusted.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError(f"evidence.{key} must be a list of texts")
    return value


def _regions(untrusted: Iterable[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(untrusted))
    if len(found) > REGIONS_MAX or not all(map(_REGION.fullmatch, found)):
        raise ValueError(f"evidence.regions must be at most {REGIONS_MAX} names of regions")
    return found


def _path(text: str) -> Path:
    return Path(text).expanduser()
