"""What ``strongroom dev`` does so that simulated enclaves get test secrets, each of it said aloud.

A vault releases to a simulation only after two acts: a test policy that it signed itself, and a flag on its process. A
development host does both on the operator's behalf; ``serve`` does neither, whatever stands in ``plugins.yaml``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from strongroom.settings.manifest import PluginEntry

__all__ = ["FLAG", "accepting_simulations", "acts_of"]

FLAG: Final = "--insecure-accept-simulated-tee"
POLICY_NAME: Final = "vault-policy.toml"
OUR_VAULT: Final = ("-m", "strongroom_vault")


def accepting_simulations(entries: Iterable[PluginEntry]) -> tuple[PluginEntry, ...]:
    """``entries`` with the flag on the process of our vault, unless it only passes calls on to another one."""
    return tuple(
        replace(entry, command=(*entry.command, FLAG)) if entry.command and _is_our_vault(entry) else entry
        for entry in entries
    )


def acts_of(entries: Iterable[PluginEntry], keys_dir: Path) -> Sequence[str]:
    """What makes the vault of a development host release to simulations, for its banner; nothing without that vault."""
    for entry in entries:
        if entry.enabled and _is_our_vault(entry):
            policy = str(entry.config.get("policy_file") or keys_dir / POLICY_NAME)
            where = policy.replace("${keys_dir}", str(keys_dir))
            return (
                f"the process of plugin {entry.name} was given {FLAG}",
                f"its policy is for tests: {where}, made by the vault where there was none",
            )
    return ()


def _is_our_vault(entry: PluginEntry) -> bool:
    command = entry.command or ()
    return command[1:] == OUR_VAULT and not entry.config.get("remote")
