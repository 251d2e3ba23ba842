"""The calls of ``strongroom.v1.WorkspaceService`` that remove something for good, after it was listed."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Final

import grpc

from strongroom.engine.workspace_discard import Discardable
from strongroom.engine.workspace_upkeep import WorkspaceUpkeep
from strongroom.errors import InvalidInput
from strongroom.pb.strongroom.v1 import workspace_pb2
from strongroom.services.workspace_passwords import PasswordCalls

__all__ = ["RemovalCalls"]

PART: Final = 500
"""Rows and entries of one message; a key has at most a few hundred bytes."""


class RemovalCalls(PasswordCalls):
    """Discarding what cannot be opened, and wiping what an owner has in a project."""

    _upkeep: WorkspaceUpkeep

    def Discard(
        self, request: workspace_pb2.WorkspaceServiceDiscardRequest, context: grpc.ServicerContext
    ) -> Iterator[workspace_pb2.WorkspaceServiceDiscardResponse]:
        """List, and then remove exactly that."""
        both = not request.rows and not request.entries
        rows, entries = request.rows or both, request.entries or both
        if request.validate_only:
            found = self._upkeep.discardable(request.name, rows=rows, entries=entries)
        else:
            found = self._upkeep.discard(
                request.name, rows=rows, entries=entries, even_unheld=request.even_unheld, listing=request.listing
            )
        yield from _parts(found)

    def Wipe(
        self, request: workspace_pb2.WorkspaceServiceWipeRequest, context: grpc.ServicerContext
    ) -> workspace_pb2.WorkspaceServiceWipeResponse:
        """Remove what one owner has in a project."""
        path = Path(request.project_dir)
        if not path.is_absolute() or "\0" in request.project_dir:
            raise InvalidInput(
                "SR-API-030",
                "the project to be wiped is not an absolute path",
                why="the host has another working directory than its clients",
                fix="give the whole path",
                field="project_dir",
            )
        wiped = self._mounts.wipe(path, request.server, request.owner_id, dry_run=request.validate_only)
        return workspace_pb2.WorkspaceServiceWipeResponse(paths=wiped.paths, bytes=wiped.size_bytes)


def _parts(found: Discardable) -> Iterator[workspace_pb2.WorkspaceServiceDiscardResponse]:
    rows = [
        workspace_pb2.WorkspaceClosedRow(
            id=row.id, size=row.size, key_version=row.key_version, reason=row.reason, lacks_key=row.lacks_key
        )
        for row in found.rows
    ]
    entries = [
        workspace_pb2.WorkspaceClosedEntry(
            place=each.place, key_version=each.key_version, reason=each.reason, lacks_key=each.lacks_key
        )
        for each in found.entries
    ]
    parts = zip_longest(range(0, len(rows), PART), range(0, len(entries), PART))
    for row, entry in list(parts) or [(None, None)]:
        yield workspace_pb2.WorkspaceServiceDiscardResponse(
            rows=rows[row : row + PART] if row is not None else (),
            entries=entries[entry : entry + PART] if entry is not None else (),
            listing=found.listing,
        )
