"""The authors' door: everything that a plugin imports from strongroom.

A plugin is a frozen dataclass whose fields are its config section in plugins.yaml, with methods marked ``@hookimpl``.
A process plugin is the same class, handed to ``strongroom.plugin.serve.serve``; messages are in
``strongroom.plugin.messages``. A trigger that must not lose an event keeps it in an ``EventBook``. What a workspace
holds is said in a ``WorkspaceDefinition``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from strongroom.crypto.keccak import keccak256
from strongroom.errors import (
    Cancelled,
    CapabilityError,
    Conflict,
    EvidenceRejected,
    Forbidden,
    GuestFault,
    Internal,
    InvalidInput,
    KeyMissing,
    LimitExceeded,
    Misconfigured,
    NotFound,
    StrongroomError,
    Tampered,
    TimedOut,
    Unavailable,
    WrongState,
)
from strongroom.plugin.capability import Call, Capability, Events, Method, Registration, TriggerMethod

if TYPE_CHECKING:
    from strongroom.plugin.event_book import EventBook, Redelivery
    from strongroom.plugin.hooks import hookimpl
    from strongroom.plugin.host import Artifacts, Executable, Host, Registry, Store
    from strongroom.plugin.mounts import Mount, MountContext, MountProvider, OpenWorkspace
    from strongroom.plugin.repeats import Repeats, repeat_key, request_digest
    from strongroom.plugin.workspace_access import (
        WorkspaceChange,
        WorkspaceItem,
        WorkspacePage,
        Workspaces,
        WorkspaceWatch,
    )
    from strongroom.plugin.workspaces import KvDefinition, TableDefinition, WorkspaceDefinition

__all__ = [
    "Artifacts",
    "Call",
    "Cancelled",
    "Capability",
    "CapabilityError",
    "Conflict",
    "EventBook",
    "Events",
    "EvidenceRejected",
    "Executable",
    "Forbidden",
    "GuestFault",
    "Host",
    "Internal",
    "InvalidInput",
    "KeyMissing",
    "KvDefinition",
    "LimitExceeded",
    "Method",
    "Misconfigured",
    "Mount",
    "MountContext",
    "MountProvider",
    "NotFound",
    "OpenWorkspace",
    "Redelivery",
    "Registration",
    "Registry",
    "Repeats",
    "Store",
    "StrongroomError",
    "TableDefinition",
    "Tampered",
    "TimedOut",
    "TriggerMethod",
    "Unavailable",
    "WorkspaceChange",
    "WorkspaceDefinition",
    "WorkspaceItem",
    "WorkspacePage",
    "WorkspaceWatch",
    "Workspaces",
    "WrongState",
    "hookimpl",
    "keccak256",
    "repeat_key",
    "request_digest",
]

_PLACES: Final = {
    "event_book": ("EventBook", "Redelivery"),
    "hooks": ("hookimpl",),
    "host": ("Artifacts", "Executable", "Host", "Registry", "Store"),
    "mounts": ("Mount", "MountContext", "MountProvider", "OpenWorkspace"),
    "repeats": ("Repeats", "repeat_key", "request_digest"),
    "workspace_access": ("WorkspaceChange", "WorkspaceItem", "WorkspacePage", "WorkspaceWatch", "Workspaces"),
    "workspaces": ("KvDefinition", "TableDefinition", "WorkspaceDefinition"),
}


def __getattr__(name: str) -> Any:  # Any: what a module's missing attribute is, only its name tells
    """What a plugin asks for, from where it is: an enclave runner is no plugin, and loads only what it needs."""
    for place, names in _PLACES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(f"{__name__}.{place}"), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
