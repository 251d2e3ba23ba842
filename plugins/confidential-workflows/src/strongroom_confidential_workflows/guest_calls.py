"""Which capabilities a guest in an enclave may not call. The enclave and the plugin both ask here."""

from typing import Final

__all__ = ["CALLS_CLOSED", "refusal_of"]

CALLS_CLOSED: Final = "capability calls cannot be made during this execution"
_SYSTEM_ONLY: Final = frozenset({"confidential-workflows", "vault"})


def refusal_of(capability_id: str) -> str | None:
    """Why a guest may not call ``capability_id``, or None. Labels and versions make no difference."""
    name = capability_id.split("@", 1)[0].split(":", 1)[0].strip().lower()
    if name in _SYSTEM_ONLY:
        return f"capability {name} is for the system and cannot be called by a workflow"
    return None
