"""The views of one mounted workspace: which are on, where they stand, and that they are gone once turned off.

    DIR/.strongroom/sqlite/NAME.db     a SQLite file
    DIR/.strongroom/md/NAME/           a folder of markdown files

Both hold plaintext, for programs of the user on the user's machine. Neither is read back, and neither is synced.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from strongroom.errors import StrongroomError
from strongroom.plugin.mounts import MOUNT_NAME_PATTERN
from strongroom.storage.plain_view import PlainView
from strongroom.workspace.materialize.feed import ViewFeed
from strongroom.workspace.materialize.markdown import MarkdownView, remove_markdown
from strongroom.workspace.materialize.markdown_text import MARK
from strongroom.workspace.materialize.owned_folder import OwnedFolder
from strongroom.workspace.materialize.sqlite_view import SqliteView
from strongroom.workspace.workspace import Workspace

__all__ = ["ViewKind", "ViewStatus", "Views", "remove_views", "view_paths"]


class ViewKind(StrEnum):
    """The kinds of views, as a project file names them."""

    SQLITE = "sqlite"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class ViewStatus:
    """One view: where it is, why it is behind (``None`` where it is not), how many entries somebody's file kept out."""

    kind: ViewKind
    path: Path
    fault: StrongroomError | None
    left_out: int


class Views:
    """The open views of one workspace."""

    def __init__(self, feeds: dict[ViewKind, ViewFeed], sinks: dict[ViewKind, SqliteView | MarkdownView]) -> None:
        """Use ``open``."""
        self._feeds = feeds
        self._sinks = sinks

    @classmethod
    def open(
        cls, workspace: Workspace, *, kinds: Iterable[ViewKind], state_dir: Path, name: str, sealed_log: Path
    ) -> "Views":
        """Make the views of ``kinds`` anew and keep them current; those of other kinds are deleted.

        ``state_dir`` is ``DIR/.strongroom``, ``name`` the mount's. All or none is open at the end. Raises
        ``Misconfigured`` where something else stands in a view's place, or the sealed log beside it, and
        ``StorageFault`` when one cannot be written.
        """
        wanted = frozenset(kinds)
        remove_views(state_dir, name, kinds=frozenset(ViewKind) - wanted)
        views = cls({}, {})
        try:
            for kind in sorted(wanted):
                path = _place(state_dir, kind, name)
                for folder in (state_dir, path.parent):
                    # Made where it is missing, refused where it is a link.
                    OwnedFolder.open(folder, mark=MARK).close()
                sink: SqliteView | MarkdownView = (
                    SqliteView(workspace, path, sealed_log=sealed_log)
                    if kind is ViewKind.SQLITE
                    else MarkdownView(path, sealed_log=sealed_log)
                )
                views._sinks[kind] = sink
                views._feeds[kind] = ViewFeed.open(workspace, sink, name=f"{name} as {kind}")
        except BaseException:
            views.close()
            raise
        return views

    def flush(self) -> None:
        """Return when everything written before is shown. Not with the document's lock held. Raises what a view did."""
        for feed in self._feeds.values():
            feed.flush()

    def status(self) -> list[ViewStatus]:
        """One line for each view."""
        return [
            ViewStatus(kind, sink.path, self._feeds[kind].fault, getattr(sink, "left_out", 0))
            for kind, sink in self._sinks.items()
            if kind in self._feeds
        ]

    def close(self) -> None:
        """Show what was written before, then stop; what is shown stays. Not with the document's lock held."""
        for feed in self._feeds.values():
            feed.close()


def view_paths(state_dir: Path, name: str) -> list[Path]:
    """Where something stands in the place of a view of the mount ``name``."""
    return [path for kind in ViewKind if (path := _place(state_dir, kind, name)).exists()]


def remove_views(state_dir: Path, name: str, *, kinds: Iterable[ViewKind] = tuple(ViewKind)) -> None:
    """Delete the views of ``kinds``: when they are turned off, and when their mount goes for good.

    What somebody else put in a view's place stays. Raises ``StorageFault``.
    """
    removers: dict[ViewKind, Callable[[Path], object]] = {
        ViewKind.SQLITE: PlainView.remove,
        ViewKind.MARKDOWN: remove_markdown,
    }
    for kind in kinds:
        path = _place(state_dir, kind, name)
        if path.parent.is_dir() and not path.parent.is_symlink():
            removers[kind](path)


def _place(state_dir: Path, kind: ViewKind, name: str) -> Path:
    if not MOUNT_NAME_PATTERN.fullmatch(name):
        raise ValueError("not the name of a mount")  # a caller's bug: it would lead elsewhere
    return state_dir / "sqlite" / f"{name}.db" if kind is ViewKind.SQLITE else state_dir / "md" / name
