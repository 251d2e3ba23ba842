"""The vault as a plugin: its section of ``plugins.yaml``, and what it does before it serves.

A vault that cannot open what is stored does not start: it would tell every workflow that its secrets are gone, and the
next ``secret set`` would bury the old ones.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom.plugin import Capability, Host, Misconfigured, hookimpl
from strongroom_vault.key import VaultKey, create_key_file, load_key_file
from strongroom_vault.reads import WorkflowReads
from strongroom_vault.shelf import Shelf
from strongroom_vault.vault import Vault

__all__ = ["VaultPlugin"]


@dataclass(slots=True, kw_only=True, eq=False)
class VaultPlugin:
    """``key_file`` is an absolute path. Only a development host creates the file, and only over an empty store.

    ``workflow_reads`` opens secrets to workflows that read the vault themselves: see ``reads``.
    """

    key_file: str
    workflow_reads: Sequence[Mapping[str, Any]] = ()  # Any: what YAML holds; reads checks it
    _vault: Vault | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.key_file, str) or not Path(self.key_file).is_absolute():
            raise ValueError("key_file must be an absolute path")
        WorkflowReads(self.workflow_reads)

    @hookimpl
    def start(self, host: Host) -> None:
        """Load the key, check it against the store, and open the shelf."""
        key = self._load(host)
        shelf = Shelf(host.store, key)
        shelf.check_key()
        self._vault = Vault(key, shelf, host.log, reads=WorkflowReads(self.workflow_reads))
        host.log.info("vault opened with key %s", key.key_id)

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``vault@1.0.0``."""
        if self._vault is None:
            return []
        return [Capability(id="vault@1.0.0", description="Secrets of workflow owners", methods=self._vault.methods())]

    @hookimpl
    def stop(self) -> None:
        """Let go of the key."""
        self._vault = None

    def _load(self, host: Host) -> VaultKey:
        path = Path(self.key_file)
        try:
            return load_key_file(path)
        except FileNotFoundError:
            pass
        if host.mode != "dev" or Shelf.in_use(host.store):
            in_use = Shelf.in_use(host.store)
            raise Misconfigured(
                "SR-VAULT-004",
                f"vault key file {path} does not exist",
                why="secrets are stored under it, and a new key could not open them"
                if in_use
                else "only a development host makes one by itself",
                fix="restore it from a backup" if in_use else f"for this empty vault: {_command_that_makes(path)}",
                where=str(path),
            )
        create_key_file(path)
        host.log.warning("created a development vault key in %s", path)
        return load_key_file(path)


def _command_that_makes(path: Path) -> str:
    """A line of shell that makes the key file with the Python that serves this vault."""
    python, directory, file = (shlex.quote(str(word)) for word in (sys.executable, path.parent, path))
    return f"mkdir -p -m 700 {directory} && {python} -m strongroom_vault init-key {file}"
