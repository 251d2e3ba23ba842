"""What an operator says about a vault: files, owners, limits. The same for both doors to it.

Every file but the key has its usual name beside the key, so that a vault home is one directory.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom_vault.limits import ATTEMPTS_MAX, ENCLAVE_CONFIGS_MAX, OWNERS_MAX
from strongroom_vault.names import SecretRefused, normal_owner
from strongroom_vault.reads import WorkflowReads

__all__ = ["ATTEMPTS", "VaultSettings"]

STATE_NAME: Final = "vault.db"
POLICY_NAME: Final = "vault-policy.toml"
POLICY_PUBLIC_NAME: Final = "vault-policy.pub"
CONFIG_NAME: Final = "enclave-config.cbor"
ATTEMPTS: Final = 3
"""A run that fails in the enclave is tried twice more; each time its secrets leave the vault again."""
_PCR: Final = re.compile(r"[0-9]{1,2}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Absolute paths; ``owners`` by 40 lower-case hex digits; ``development_pcrs`` are the registers (hex by number)
    of a software TPM that a development vault takes."""

    key_file: Path
    state_file: Path
    policy_file: Path
    policy_public_key: Path
    enclave_config_files: tuple[Path, ...]
    owners: Mapping[str, str]
    attempts_max: int
    reads: WorkflowReads
    development_pcrs: Mapping[str, str]

    @classmethod
    def from_config(
        cls,
        *,
        key_file: str,
        state_file: str = "",
        policy_file: str = "",
        policy_public_key: str = "",
        enclave_config_files: Sequence[str] = (),
        owners: Mapping[str, str] | None = None,
        attempts_max: int = ATTEMPTS,
        workflow_reads: Sequence[Mapping[str, Any]] = (),  # Any: what YAML holds; reads checks it
        development_pcrs: Mapping[str, str] | None = None,
    ) -> "VaultSettings":
        """The settings of a config section; what is empty has its usual name. Raises ``ValueError`` naming the key."""
        key_path = _path("key_file", key_file)
        if isinstance(enclave_config_files, str) or len(enclave_config_files) > ENCLAVE_CONFIGS_MAX:
            raise ValueError(f"enclave_config_files must be a list of at most {ENCLAVE_CONFIGS_MAX} files")
        configs = tuple(_path("enclave_config_files", each) for each in enclave_config_files)
        if type(attempts_max) is not int or not 1 <= attempts_max <= ATTEMPTS_MAX:
            raise ValueError(f"attempts_max must be a whole number from 1 to {ATTEMPTS_MAX}")
        return cls(
            key_file=key_path,
            state_file=_path("state_file", state_file, key_path.with_name(STATE_NAME)),
            policy_file=_path("policy_file", policy_file, key_path.with_name(POLICY_NAME)),
            policy_public_key=_path("policy_public_key", policy_public_key, key_path.with_name(POLICY_PUBLIC_NAME)),
            enclave_config_files=configs or (key_path.with_name(CONFIG_NAME),),
            owners=_owners(owners or {}),
            attempts_max=attempts_max,
            reads=WorkflowReads(workflow_reads),
            development_pcrs=_pcrs(development_pcrs or {}),
        )

    @property
    def home(self) -> Path:
        """The directory of the key, where a development vault keeps everything that it makes."""
        return self.key_file.parent


def _path(name: str, found: object, default: Path | None = None) -> Path:
    if found == "" and default is not None:
        return default
    if not isinstance(found, str) or not Path(found).is_absolute():
        raise ValueError(f"{name} must be an absolute path")
    return Path(found)


def _owners(found: object) -> Mapping[str, str]:
    if not isinstance(found, Mapping) or len(found) > OWNERS_MAX:
        raise ValueError(f"owners must have at most {OWNERS_MAX} lines, each an owner and a public key")
    owners = {}
    for owner, key in found.items():
        if not isinstance(key, str):
            raise ValueError(f"owners.{owner} must be 64 hex digits, or the absolute path of a file that holds them")
        try:
            normal = normal_owner(str(owner))
        except SecretRefused as refusal:
            raise ValueError(f"owners.{owner}: {refusal}; in YAML it needs quotes") from None
        if normal in owners:
            raise ValueError(f"owners.{owner} stands there twice")
        owners[normal] = key
    return owners


def _pcrs(found: object) -> Mapping[str, str]:
    if not isinstance(found, Mapping):
        raise ValueError("development_pcrs must be registers of a TPM and their values in hex")
    for number, value in found.items():
        is_register = _PCR.fullmatch(str(number)) and int(str(number)) <= 23
        if not is_register or not _DIGEST.fullmatch(str(value)):
            raise ValueError("development_pcrs must be numbers from 0 to 23, each with 64 lower-case hex digits")
    return {str(int(str(number))): str(value) for number, value in found.items()}
