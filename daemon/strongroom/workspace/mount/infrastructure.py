"""The usual infrastructure of a mount: a document, its sealed log, its workspace, a connection and views.

Rule 1: it is built in that order and closed in reverse; what fails on the way closes what was built.
Rule 2: the document takes a fresh client id each time. The id of the contract is the same at every start, and a project
that was restored from a copy, or that stands at one path on two machines, would give two changes one name.
Rule 3: what can be shown in plaintext or sent elsewhere is what the project's file says, and nothing else.
"""

import contextlib
import dataclasses
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.errors import StrongroomError, Unavailable, WrongState
from strongroom.plugin.mounts import Collaboration, MountContext
from strongroom.plugin.workspaces import WorkspaceDefinition
from strongroom.telemetry import logs
from strongroom.workspace.document import Document
from strongroom.workspace.materialize.views import ViewKind, Views
from strongroom.workspace.mount.mount_keys import MountKeys
from strongroom.workspace.mount.project_file import MountEntry
from strongroom.workspace.mount.project_state import ProjectState
from strongroom.workspace.persistence.sealed_log import SealedLog
from strongroom.workspace.workspace import Workspace

__all__ = ["Builder", "Built", "Connector"]

Connector = Callable[[Document, str, MountContext], Collaboration]
"""``connect(document, relay, context)``: join the room of the document; ``relay`` is a URL, or ``local``."""
log = logs.get("workspace.mount")


@dataclass(slots=True)
class Built:
    """What was built. It is an ``OpenWorkspace``."""

    workspace: Workspace
    log: SealedLog
    keys: MountKeys = field(repr=False)
    log_path: Path
    carried: int = 0
    views: Views | None = None
    collaboration: Collaboration | None = None
    _closed: bool = False
    _closing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def flush(self) -> None:
        """Return once all that was written before is on disk. Raises ``StorageFault``; ``Unavailable`` when the owner
        is signed out: it then gets to the disk when the mount is closed, and no later write is taken."""
        self.log.flush()

    def dispose(self) -> None:
        """Leave, write what waits, drop the keys, destroy the document. Twice is fine.

        Raises ``StorageFault`` when something could not be written; everything is closed all the same.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
            with contextlib.ExitStack() as steps:
                # In reverse: the connection first, so that nothing comes in while the log is closed.
                steps.callback(self.keys.drop)
                steps.callback(self.workspace.dispose)
                steps.callback(self.log.close)
                if self.views is not None:
                    steps.callback(_quietly, "views", self.views.close)
                if self.collaboration is not None:
                    steps.callback(_quietly, "collaboration", self.collaboration.dispose)
                self.keys.begin_to_close()


class Builder:
    """Builds the infrastructure of one mount, once."""

    def __init__(
        self,
        entry: MountEntry,
        state: ProjectState,
        connect: Connector | None,
        may_write: Callable[[int], None],
        *,
        server: str,
    ) -> None:
        """Nothing is opened yet. ``context`` is set before a provider can ask; ``server`` knows its owner."""
        self._entry = entry
        self._server = server
        self._state = state
        self._connect = connect
        self._may_write = may_write
        self._lock = threading.Lock()
        self._asked = False
        self.context: MountContext | None = None
        self.built: Built | None = None

    def open_workspace(self, definition: WorkspaceDefinition | None) -> Built:
        """The workspace that the project's file names, or that ``definition`` does where the file names none.

        Raises ``WrongState`` when it is asked twice, ``InvalidInput`` for a name that is no workspace id, what the
        keyring raises, ``KeyMissing`` for a log of other keys, ``StorageFault``, ``Unavailable`` without a relay.
        """
        context = self.context
        with self._lock:
            if self._asked or context is None:
                raise WrongState(
                    "SR-MOUNT-017",
                    f"the workspace of mount {self._entry.name} is opened already",
                    why="a mount is one workspace",
                    fix="have the provider call open_workspace once, while it opens",
                )
            self._asked = True
        built = self._build(self._named(definition), context)
        with self._lock:
            self.built = built
        return built

    def _named(self, definition: WorkspaceDefinition | None) -> WorkspaceDefinition:
        workspace = self._entry.workspace
        if definition is None:
            return WorkspaceDefinition(workspace or self._entry.name)
        return dataclasses.replace(definition, id=workspace) if workspace else definition

    def _build(self, definition: WorkspaceDefinition, context: MountContext) -> Built:
        entry, path = self._entry, self._state.make_log_path(self._server, context.owner_id, definition.id)
        with contextlib.ExitStack() as undo:
            keys = MountKeys(context.keyring, definition.id, context.device_id, may_write=self._may_write)
            keys()
            document = Document(definition.id)
            undo.callback(document.close)
            sealed_log = SealedLog(path, document, keys, context.owner_id)
            undo.callback(sealed_log.close)
            report = sealed_log.load()
            if report.carried:
                log.warning(
                    "rows of the log of a workspace cannot be opened; they are carried along",
                    extra={"mount": entry.name, "rows": len(report.carried)},
                )
            if report.head_problem or report.waiting:
                log.warning(
                    "the log of a workspace is not whole; a peer that has the rest brings it back",
                    extra={"mount": entry.name, "problem": report.head_problem, "rows_waiting": len(report.waiting)},
                )
            workspace = Workspace.create(
                definition,
                document=document,
                keyring=context.keyring,
                owner_id=context.owner_id,
                strict=entry.strict,
                write_format=entry.write_format,
            )
            undo.callback(workspace.dispose)
            sealed_log.attach()
            built = Built(workspace, sealed_log, keys, path, len(report.carried))
            # From here on it closes itself as a whole.
            undo.pop_all()
            undo.callback(_quietly, "workspace", built.dispose)
            built.views = Views.open(
                workspace,
                kinds=[ViewKind(kind) for kind in entry.materialize],
                state_dir=self._state.directory,
                name=entry.name,
                sealed_log=path,
            )
            if entry.relay:
                if self._connect is None:
                    raise Unavailable(
                        "SR-MOUNT-018",
                        f"this host does not sync, and mount {entry.name} names a relay",
                        fix="remove `relay` from strongroom.toml, or use a host that syncs",
                    )
                built.collaboration = self._connect(document, entry.relay, context)
            undo.pop_all()
        return built


def _quietly(what: str, close: Callable[[], None]) -> None:
    """Close a part whose failure keeps nothing else from being closed, and loses nothing."""
    try:
        close()
    except Exception as error:
        code = error.code if isinstance(error, StrongroomError) else type(error).__name__
        log.error("a part of a mount did not close", extra={"part": what, "code": code})
