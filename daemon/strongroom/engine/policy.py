"""What guests and clients may not call: capabilities that are the host's own business."""

from typing import Final

from strongroom.errors import Forbidden
from strongroom.registry.ids import parse_id
from strongroom.registry.system_only import SYSTEM_ONLY, system_only

__all__ = ["refuse_system_only"]

GUESTS_NEVER: Final = frozenset(SYSTEM_ONLY)
"""A guest reads secrets through its own import, never by calling the vault."""


def refuse_system_only(capability_id: str, method: str, *, guest: bool) -> None:
    """Raises ``Forbidden`` when a guest or a client of the API may not call ``method`` of ``capability_id``."""
    if (guest and parse_id(capability_id).name in GUESTS_NEVER) or system_only(capability_id, method):
        raise Forbidden(
            "SR-CAP-002",
            f"{capability_id} {method} may be called by the host only",
            fix="secrets reach a workflow through get_secrets; confidential runs start through RunService",
            capability=capability_id,
            method=method,
        )
