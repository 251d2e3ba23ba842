"""Which capabilities a guest in an enclave may not call. The enclave and the plugin both ask here."""

from typing import Final

from strongroom.modules.vault_reads import GET_SECRETS, is_vault

__all__ = ["CALLS_CLOSED", "refusal_of"]

CALLS_CLOSED: Final = "capability calls cannot be made during this execution"
_SYSTEM_ONLY: Final = frozenset({"confidential-workflows"})


def refusal_of(capability_id: str, method: str) -> str | None:
    """Why a guest may not call ``method`` of ``capability_id``, or None. Labels and versions make no difference.

    Of the vault it may call the reading of secrets; which ones, the relay checks.
    """
    if is_vault(capability_id):
        return None if method == GET_SECRETS else f"{method[:64]} of the vault cannot be called by a workflow"
    name = capability_id.split("@", 1)[0].split(":", 1)[0].strip().lower()
    if name in _SYSTEM_ONLY:
        return f"capability {name} is for the system and cannot be called by a workflow"
    return None
