"""``strongroom.v1.WorkspaceService``."""

import base64
import binascii
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import grpc

from strongroom.engine.workspace_upkeep import Archived, WorkspaceUpkeep
from strongroom.engine.workspaces import PAGE_MAX, WorkspaceDesk
from strongroom.errors import InvalidInput
from strongroom.pb.strongroom.v1 import workspace_pb2
from strongroom.plugin.workspace_access import WorkspaceChange
from strongroom.services.callers import caller_of
from strongroom.services.places import Places
from strongroom.services.workspace_backlog import Backlog
from strongroom.services.workspace_messages import entry_message
from strongroom.services.workspace_removals import RemovalCalls
from strongroom.settings.roles import EVERY_OWNER, Role
from strongroom.workspace.json_value import ENTRY_KEY_BYTES_MAX
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.mount.password_desk import PasswordDesk
from strongroom.workspace.session.session import Session

__all__ = ["WorkspaceService"]

PAGE: Final = 100
LOOK_S: Final = 0.25
"""How often a watch looks whether its workspace is still open, and the host does not end."""
LAST_CHARACTER: Final = "\U0010ffff"
PART_BYTES: Final = 1 << 20


class WorkspaceService(RemovalCalls):
    """Mounted workspaces of this host."""

    def __init__(
        self,
        mounts: Mounts,
        desk: WorkspaceDesk,
        upkeep: WorkspaceUpkeep,
        session: Session,
        passwords: PasswordDesk,
        *,
        streams: Places,
        is_ending: Callable[[], bool] = lambda: False,
    ) -> None:
        """``is_ending`` says that the host takes nothing more: nobody waits for those who only watch."""
        super().__init__(mounts, desk, session, passwords)
        self._is_ending = is_ending
        self._upkeep = upkeep
        self._streams = streams

    def Mount(
        self, request: workspace_pb2.WorkspaceServiceMountRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceMountResponse:
        """Open what a project declares."""
        path = Path(request.project_dir)
        if not path.is_absolute() or "\0" in request.project_dir:
            raise InvalidInput(
                "SR-API-020",
                "the project is not an absolute path",
                why="the host has another working directory than its clients",
                fix="give the whole path",
                field="project_dir",
            )
        declare = not request.declared_only
        if request.password:
            opened, declared = self._passwords.mount(
                path, request.name, request.password, is_new=request.new_password, declare=declare
            )
        else:
            opened, declared = self._mounts.mount(path, request.name, declare=declare)
        return workspace_pb2.WorkspaceServiceMountResponse(
            mounts=[self._message(info) for info in opened], declared=declared
        )

    def Unmount(
        self, request: workspace_pb2.WorkspaceServiceUnmountRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceUnmountResponse:
        """Close one."""
        self._mounts.unmount(request.name)
        return workspace_pb2.WorkspaceServiceUnmountResponse()

    def List(
        self, request: workspace_pb2.WorkspaceServiceListRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceListResponse:
        """Every mount."""
        caller = caller_of(context)
        seen = [info for info in self._mounts.all() if caller.may(Role.READ, info.owner_id or EVERY_OWNER)]
        return workspace_pb2.WorkspaceServiceListResponse(mounts=[self._message(info) for info in seen])

    def Get(
        self, request: workspace_pb2.WorkspaceServiceGetRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceGetResponse:
        """One entry."""
        found = self._desk.get(request.name, request.table, request.key)
        return workspace_pb2.WorkspaceServiceGetResponse(entry=None if found is None else entry_message(found))

    def Entries(
        self, request: workspace_pb2.WorkspaceServiceEntriesRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceEntriesResponse:
        """One page of entries."""
        page = self._desk.page(
            request.name,
            request.table,
            prefix=request.key_prefix,
            after=_key_of(request.page_token),
            limit=request.page_size or PAGE,
        )
        answer = workspace_pb2.WorkspaceServiceEntriesResponse(
            entries=[entry_message(item) for item in page.items], tables=self._desk.tables(request.name)[:PAGE_MAX]
        )
        if page.more and page.items:
            answer.next_page_token = _token_after(page.items[-1].key)
        return answer

    def Set(
        self, request: workspace_pb2.WorkspaceServiceSetRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceSetResponse:
        """Write one entry."""
        item = self._desk.put(request.name, request.table, request.key, request.json)
        return workspace_pb2.WorkspaceServiceSetResponse(time_ms=item.time_ms, key_version=item.key_version)

    def Delete(
        self, request: workspace_pb2.WorkspaceServiceDeleteRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceDeleteResponse:
        """Remove one entry."""
        existed = self._desk.delete(request.name, request.table, request.key)
        return workspace_pb2.WorkspaceServiceDeleteResponse(existed=existed)

    def Watch(
        self, request: workspace_pb2.WorkspaceServiceWatchRequest, context: grpc.ServicerContext
    ) -> Iterator[workspace_pb2.WorkspaceServiceWatchResponse]:
        """Changes, until the client leaves or the workspace is closed."""
        with self._streams.taken():
            waiting = Backlog()
            watch = self._desk.watch(request.name, request.table, prefix=request.key_prefix, on_change=waiting.hear)
            try:
                yield workspace_pb2.WorkspaceServiceWatchResponse(action="ready")
                while context.is_active() and not self._is_ending():
                    was_alive = watch.is_alive()
                    change = waiting.next(LOOK_S if was_alive else 0)
                    if change is not None:
                        yield _change_message(change)
                    elif not was_alive:
                        # Asked before the queue was: what it heard until then has been sent.
                        return
            finally:
                watch.end()

    def Export(
        self, request: workspace_pb2.WorkspaceServiceExportRequest, context: grpc.ServicerContext
    ) -> Iterator[workspace_pb2.WorkspaceServiceExportResponse]:
        """A sealed copy in parts."""
        with self._streams.taken():
            if request.path and not Path(request.path).is_absolute():
                raise InvalidInput(
                    "SR-API-023",
                    "the path of the copy is not absolute",
                    why="the host looks there later, and has another working directory than its clients",
                    fix="give the whole path, or none",
                    field="path",
                )
            copy = self._upkeep.export(request.name, request.path)
            for start in range(0, len(copy), PART_BYTES):
                yield workspace_pb2.WorkspaceServiceExportResponse(part=copy[start : start + PART_BYTES])

    def Import(
        self, request_iterator: Iterator[workspace_pb2.WorkspaceServiceImportRequest], context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceImportResponse:
        """Merge a sealed copy."""
        with self._streams.taken():
            first = next(request_iterator, None)
            if first is None or not first.name:
                raise InvalidInput(
                    "SR-API-022", "the first part names no workspace", fix="set name in it", field="name"
                )
            parts = self._upkeep.collected(part.part for part in _chained(first, request_iterator))
            self._desk.check_disk(first.name, len(parts))
            done = self._upkeep.merge(first.name, parts)
        return workspace_pb2.WorkspaceServiceImportResponse(
            entries_changed=done.entries_changed, unreadable=done.unreadable
        )

    def Verify(
        self, request: workspace_pb2.WorkspaceServiceVerifyRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceVerifyResponse:
        """Open everything."""
        found = self._upkeep.verify(request.name)
        return workspace_pb2.WorkspaceServiceVerifyResponse(
            readable=found.readable,
            unreadable=[entry_message(item) for item in found.unreadable],
            rows=found.rows,
            rows_carried=list(found.rows_carried),
            rows_waiting=found.rows_waiting,
            log_agrees=found.log_agrees,
            entries_by_key_version=dict(found.entries_by_key_version),
        )

    def Compact(
        self, request: workspace_pb2.WorkspaceServiceCompactRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceCompactResponse:
        """Replace the log."""
        done = self._upkeep.compact(request.name)
        return workspace_pb2.WorkspaceServiceCompactResponse(
            bytes_before=done.bytes_before,
            bytes_after=done.bytes_after,
            rows_before=done.rows_before,
            rows_after=done.rows_after,
        )

    def Migrate(
        self, request: workspace_pb2.WorkspaceServiceMigrateRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceMigrateResponse:
        """Seal what is not, or in an older format."""
        archived = Archived(
            secret=request.archived_secret, password=request.archived_password, user_id=request.archived_user_id
        )
        done = self._upkeep.migrate(request.name, archived, dry_run=request.dry_run)
        return workspace_pb2.WorkspaceServiceMigrateResponse(
            plaintext=done.plaintext, archived=done.archived, unreadable=done.unreadable
        )


def _chained(
    first: workspace_pb2.WorkspaceServiceImportRequest, rest: Iterator[workspace_pb2.WorkspaceServiceImportRequest]
) -> Iterator[workspace_pb2.WorkspaceServiceImportRequest]:
    yield first
    yield from rest


def _change_message(change: WorkspaceChange) -> workspace_pb2.WorkspaceServiceWatchResponse:
    return workspace_pb2.WorkspaceServiceWatchResponse(
        action=change.action,
        key=change.key,
        json=change.json or b"",
        unreadable=change.unreadable,
        remote=change.remote,
    )


def _token_after(key: str) -> str:
    """The token of the page behind ``key``. Of longer keys than ours, those that begin alike are one to it."""
    if len(key) > ENTRY_KEY_BYTES_MAX:
        key = key[:ENTRY_KEY_BYTES_MAX] + LAST_CHARACTER
    return base64.urlsafe_b64encode(key.encode()).decode()


def _key_of(untrusted_token: str) -> str:
    """The key after which a page begins. Raises ``InvalidInput``."""
    try:
        return base64.b64decode(untrusted_token.encode(), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise InvalidInput(
            "SR-API-003",
            "the page token is not one of ours",
            fix="hand back next_page_token as it was, or none for the first page",
            field="page_token",
        ) from None
