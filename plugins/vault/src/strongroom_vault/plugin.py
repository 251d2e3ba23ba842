"""The vault as a plugin: its section of ``plugins.yaml``, either a vault of this host or the way to one elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from strongroom.attest.receipt import CO_LOCATED
from strongroom.plugin import Capability, Host, hookimpl
from strongroom_vault.flags import SIMULATION_FLAG
from strongroom_vault.opening import open_vault
from strongroom_vault.remote import RemoteVault, check_remote
from strongroom_vault.settings import ATTEMPTS, VaultSettings
from strongroom_vault.shelf import Shelf
from strongroom_vault.vault import Vault

__all__ = ["SIMULATION_FLAG", "SimulatingVaultPlugin", "VaultPlugin"]


@dataclass(slots=True, kw_only=True, eq=False)
class VaultPlugin:
    """Files are absolute paths; what is left out lies beside ``key_file`` under its usual name, see ``settings``.

    ``remote`` stands alone: address, ca_file, certificate_file and key_file of a vault that runs elsewhere.
    """

    key_file: str = ""
    state_file: str = ""
    policy_file: str = ""
    policy_public_key: str = ""
    enclave_config_files: Sequence[str] = ()
    owners: Mapping[str, str] = field(default_factory=dict)
    attempts_max: int = ATTEMPTS
    workflow_reads: Sequence[Mapping[str, Any]] = ()  # Any: what YAML holds; reads checks it
    development_pcrs: Mapping[str, str] = field(default_factory=dict)
    remote: Mapping[str, Any] = field(default_factory=dict)  # Any: remote checks it
    _vault: Vault | RemoteVault | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.remote:
            self._settings()
            return
        check_remote(self.remote)
        if others := [name for name in ("key_file", *_OWN) if getattr(self, name) not in _UNSET]:
            raise ValueError(f"remote stands alone: the vault over there has its own {', '.join(others)}")

    @property
    def accepts_simulated(self) -> bool:
        """Whether the process was started with the flag for simulations."""
        return False

    @hookimpl
    def start(self, host: Host) -> None:
        """Open the vault, or make the channel to the one elsewhere."""
        if self.remote:
            self._vault = RemoteVault(self.remote)
            return
        if Shelf.in_use(host.store):
            host.log.warning(
                "secrets that an earlier version kept in the host's database are not read any more: set them again"
            )
        self._vault = open_vault(
            self._settings(), host.log, mode=host.mode, place=CO_LOCATED, accepts_simulated=self.accepts_simulated
        )

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``vault@1.0.0``."""
        if self._vault is None:
            return []
        return [Capability(id="vault@1.0.0", description="Secrets of workflow owners", methods=self._vault.methods())]

    @hookimpl
    def stop(self) -> None:
        """Let go of the key and the file, or of the channel."""
        if self._vault is not None:
            self._vault.close()
        self._vault = None

    def _settings(self) -> VaultSettings:
        return VaultSettings.from_config(**{name: getattr(self, name) for name in ("key_file", *_OWN)})


class SimulatingVaultPlugin(VaultPlugin):
    """The same in a process that was started with the flag for simulations. It is no key of the configuration: whoever
    may edit that must not be able to weaken a vault."""

    __slots__ = ()

    @property
    def accepts_simulated(self) -> bool:
        """It was."""
        return True


_OWN: Final = tuple(each.name for each in fields(VaultPlugin) if each.init and each.name not in {"key_file", "remote"})
_UNSET: Final[tuple[object, ...]] = ("", (), {}, ATTEMPTS)
