"""The authors' door: everything that a plugin imports from strongroom.

A plugin is a frozen dataclass whose fields are its config section in plugins.yaml, with methods marked ``@hookimpl``.
A process plugin is the same class, handed to ``strongroom.plugin.serve.serve``; messages are in
``strongroom.plugin.messages``. A trigger that must not lose an event keeps it in an ``EventBook``. What a workspace
holds is said in a ``WorkspaceDefinition``.
"""

from typing import TYPE_CHECKING, Any

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
from strongroom.plugin.event_book import EventBook, Redelivery
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

if TYPE_CHECKING:
    from strongroom.plugin.hooks import hookimpl

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


def __getattr__(name: str) -> Any:  # Any: what a module's missing attribute is, only its name tells
    """``hookimpl``, when a plugin asks for it: an enclave runner has no plugins, so it does not load their library."""
    if name == "hookimpl":
        from strongroom.plugin.hooks import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
