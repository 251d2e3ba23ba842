"""Which capabilities only the host itself may call."""

from typing import Final

from strongroom.errors import Forbidden

__all__ = ["SYSTEM_ONLY", "refuse_system_only"]

ANY: Final = "*"
SYSTEM_ONLY: Final = {
    # It takes whole workflows; a guest that could call it would start others under its own name.
    "confidential-workflows": {"Execute", "ProvidedTees", ANY},
    # A caller that names its own key would get every secret sealed to itself.
    "vault": {"vault.secrets.get"},
}
GUESTS_NEVER: Final = frozenset({"confidential-workflows", "vault"})
"""A guest reads secrets through its own import, never by calling the vault."""


def refuse_system_only(capability_id: str, method: str, *, guest: bool) -> None:
    """Raises ``Forbidden`` when a guest or a client of the API may not call ``method`` of ``capability_id``."""
    name = capability_id.split("@")[0].split(":")[0]
    methods = SYSTEM_ONLY.get(name, set())
    if (guest and name in GUESTS_NEVER) or method in methods or ANY in methods:
        raise Forbidden(
            "SR-CAP-002",
            f"{capability_id} {method} may be called by the host only",
            fix="secrets reach a workflow through get_secrets; confidential runs start through RunService",
            capability=capability_id,
            method=method,
        )
