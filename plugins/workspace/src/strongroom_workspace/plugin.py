"""The capability as a plugin: its section of ``plugins.yaml``. It runs in the host, which alone has the workspaces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from strongroom.plugin import Capability, EventBook, Host, Misconfigured, Redelivery, Repeats, TriggerMethod, hookimpl
from strongroom_workspace.grants import Grants
from strongroom_workspace.methods import WorkspaceMethods
from strongroom_workspace.watching import Watchers

__all__ = ["WorkspacePlugin"]

EVENTS_MAX: Final = 1000
"""Unconfirmed events of one registration that are kept; what is behind that is found again from the entries."""


@dataclass(slots=True, eq=False)
class _Parts:
    methods: WorkspaceMethods
    watchers: Watchers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorkspacePlugin:
    """``mounts`` says which workflows may read and write which mount:

        mounts: {notes: {read: ["*"], write: ["*/importer"]}}

    A workflow is ``OWNER/NAME``, each of which may be ``*``; ``*`` alone is all of them. Who may write may also read.
    Who is not listed may do nothing.
    """

    mounts: Mapping[str, Any] = field(default_factory=dict)  # Any: the section is checked by Grants
    _parts: dict[str, _Parts] = field(default_factory=dict, init=False, repr=False)
    _grants: list[Grants] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        self._grants.append(Grants.parsed(self.mounts))

    @hookimpl
    def start(self, host: Host) -> None:
        """Take the workspaces of the host. Raises ``Misconfigured`` in a process, which has none."""
        if host.workspaces is None:
            raise Misconfigured(
                "SR-PLUG-120",
                "the plugin workspace runs as a process",
                why="workspaces are open in the host itself, and their values leave it for nobody",
                fix="name its factory in plugins.yaml: strongroom_workspace.plugin:WorkspacePlugin",
                where="plugins.yaml",
            )
        grants = self._grants[0]
        book = EventBook(host.store, log=host.log, redelivery=Redelivery(events_max=EVENTS_MAX))
        self._parts["all"] = _Parts(
            WorkspaceMethods(host.workspaces, grants, Repeats(host.store)),
            Watchers(host.workspaces, grants, book, host.store, host.log),
        )

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``workspace@1.0.0``: methods, and the trigger ``Watch``."""
        parts = self._parts["all"]
        watch = TriggerMethod(register=parts.watchers.register, ack=parts.watchers.ack, forget=parts.watchers.forget)
        return [
            Capability(
                id="workspace@1.0.0",
                description="Encrypted workspaces that this host has mounted",
                kind="combined",
                methods=parts.methods.methods(),
                triggers={"Watch": watch},
            )
        ]

    @hookimpl
    def stop(self) -> None:
        """Watch nothing more. What is not confirmed is sent after the next start."""
        parts = self._parts.pop("all", None)
        if parts is not None:
            parts.watchers.close()
