"""Capabilities that are not for everybody: who may call what, whatever the registry holds.

The vault releases a value to whatever key the caller names and cannot see who calls; so the host says who reaches it.
"""

from typing import Final

from strongroom.errors import Forbidden, PluginFault
from strongroom.registry.ids import parse_id
from strongroom.settings.manifest import PluginEntry

__all__ = ["ANY_METHOD", "SYSTEM_ONLY", "refuse_own_name", "refuse_to_plugin", "system_only"]

ANY_METHOD: Final = "*"
ENCLAVES: Final = "confidential-workflows"
VAULT: Final = "vault"
OWN: Final = "run"
SYSTEM_ONLY: Final = {
    # It takes whole workflows; a caller could start others under any name.
    ENCLAVES: frozenset({ANY_METHOD}),
    # A caller that names its own key would get every secret sealed to itself.
    VAULT: frozenset({"vault.secrets.get"}),
}
"""Methods, by capability name, that only the host itself calls."""


def refuse_own_name(entry: PluginEntry, capability_id: str) -> None:
    """Raises ``PluginFault`` for what only the host itself offers: whoever calls it means its own run."""
    if parse_id(capability_id).name == OWN:
        raise PluginFault(
            "SR-PLUG-092",
            f"plugin {entry.name} offers {capability_id[:200]}",
            why="the host itself offers what a workflow asks of its own run, under this name",
            fix="choose another name",
            plugin=entry.name,
        )


def system_only(capability_id: str, method: str) -> bool:
    """Whether only the host itself may call ``method``; ``ANY_METHOD`` asks for the capability as a whole."""
    methods = SYSTEM_ONLY.get(parse_id(capability_id).name, frozenset())
    return method in methods or ANY_METHOD in methods


def refuse_to_plugin(entry: PluginEntry, capability_id: str) -> None:
    """Raises ``Forbidden`` when the plugin of ``entry`` may not reach that capability.

    Secrets go to enclaves: only a plugin that the manifest lets provide confidential execution reaches the vault.
    """
    name = parse_id(capability_id).name
    runs_enclaves = any(parse_id(provided).name == ENCLAVES for provided in entry.provides)
    if name == ENCLAVES or (name == VAULT and not runs_enclaves):
        raise Forbidden(
            "SR-PLUG-050",
            f"plugin {entry.name} may not call {capability_id}",
            why="it would reach secrets that are not its own",
            fix=f"only a plugin whose provides lists {ENCLAVES}@… may, and only the vault",
            plugin=entry.name,
            capability=capability_id,
        )
