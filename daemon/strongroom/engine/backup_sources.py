"""What the workspaces of a host contribute to a backup, and what is remembered of them where it is restored."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from strongroom.backup.manifest import LeftOut, Workspace
from strongroom.backup.sources import WorkspaceSource
from strongroom.workspace.mount.known import Known, KnownFile, now_ms
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.mount.opened import OpenedMount
from strongroom.workspace.mount.project_file import FILE_NAME
from strongroom.workspace.persistence.names import RECORD_SUFFIX
from strongroom.workspace.session.local import LocalSession
from strongroom.workspace.session.session import Session

__all__ = ["KNOWN", "known_sources", "mounted_sources", "remember"]

KNOWN: Final = Path("workspaces") / "known.json"
"""Where a host remembers them, below its state directory."""


def mounted_sources(mounts: Mounts, session: Session) -> Sequence[WorkspaceSource]:
    """Every workspace that is open now. What was called written is in its log already."""
    own = isinstance(session, LocalSession)
    return [_source(opened, own=own) for opened in mounts.opened()]


def known_sources(known: Sequence[Known]) -> Sequence[LeftOut]:
    """What a host remembers, as a backup names what is not in it."""
    return [
        LeftOut(
            name=each.name,
            project_dir=str(each.project_dir),
            owner_id=each.owner_id,
            workspace_id=each.workspace_id,
            provider=each.provider,
            own=each.own,
            is_to_be_open=each.mounted,
            counts={str(version): count for version, count in sorted(each.counts.items())},
            seen_at=each.seen_at,
        )
        for each in known
    ]


def remember(file: Path, places: Sequence[tuple[Workspace, Path]], left_out: Sequence[LeftOut]) -> None:
    """Write the list of a restored host's projects: they are not mounted, and keys that they need are counted.

    What is ``left_out`` of the backup may still be where it was, and be all there is of it.
    """
    restored = [
        Known(
            name=workspace.name,
            project_dir=place,
            mounted=False,
            own=workspace.own,
            owner_id=workspace.owner_id,
            workspace_id=workspace.workspace_id,
            provider=workspace.provider,
            counts={int(version): count for version, count in workspace.counts.items()},
            seen_at=now_ms(),
        )
        for workspace, place in places
    ]
    others = [
        Known(
            name=each.name,
            project_dir=Path(each.project_dir),
            mounted=False,
            own=each.own,
            owner_id=each.owner_id,
            workspace_id=each.workspace_id,
            provider=each.provider,
            counts={int(version): count for version, count in each.counts.items()},
            seen_at=each.seen_at,
        )
        for each in left_out
    ]
    KnownFile(file).store([*restored, *others])


def _source(opened: OpenedMount, *, own: bool) -> WorkspaceSource:
    log = opened.built.log_path
    record = log.with_suffix(RECORD_SUFFIX)
    return WorkspaceSource(
        name=opened.name,
        project_dir=opened.project_dir,
        owner_id=opened.owner_id,
        workspace_id=opened.workspace.id,
        provider=opened.entry.provider,
        own=own,
        has_password=opened.has_password,
        counts=opened.needed(),
        log=log,
        password_file=record if record.exists() else None,
        project_file=opened.project_dir / FILE_NAME,
    )
