"""The markdown view: a folder for each table and key-value array of a workspace, with a file for each entry, plaintext.

A file that is not ours is never touched: where one stands in an entry's place, the entry is left out and counted.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from strongroom.errors import StorageFault
from strongroom.storage.plain_view import view_fault
from strongroom.workspace.materialize.markdown_text import MARK, text_of
from strongroom.workspace.materialize.names import entry_name, view_name
from strongroom.workspace.materialize.owned_folder import OwnedFolder
from strongroom.workspace.materialize.shape import Gone, ViewEntry
from strongroom.workspace.materialize.sqlite_view import check_apart

__all__ = ["MarkdownView", "remove_markdown"]

ENDING: Final = ".md"


class MarkdownView:
    """A sink of entries that keeps the files below ``path`` in step. Used by one thread at a time."""

    def __init__(self, path: Path, *, sealed_log: Path) -> None:
        """Show entries below ``path``. Raises ``Misconfigured`` when that is where ``sealed_log`` is kept."""
        check_apart(path, sealed_log)
        self.path = path
        self._left_out: set[tuple[str, str]] = set()

    @property
    def left_out(self) -> int:
        """Entries that have no file because somebody else's stands in its place."""
        return len(self._left_out)

    def rebuild(self, batches: Iterable[Sequence[ViewEntry]]) -> None:
        """Have a file for each entry of ``batches``, and no other file of ours.

        Raises ``Misconfigured`` when ``path`` is a link, ``StorageFault`` when files cannot be written.
        """
        wanted: dict[str, set[str]] = {}
        self._left_out.clear()
        for batch in batches:
            self.apply(batch)
            for entry in batch:
                if not isinstance(entry, Gone):
                    wanted.setdefault(view_name(entry.array), set()).add(entry_name(entry.key) + ENDING)
        self._sweep(wanted)

    def apply(self, batch: Sequence[ViewEntry]) -> None:
        """Bring the files of ``batch`` up to date, each in one step."""
        by_array: dict[str, list[ViewEntry]] = {}
        for entry in batch:
            by_array.setdefault(entry.array, []).append(entry)
        try:
            root = OwnedFolder.open(self.path, mark=MARK)
            try:
                for array, entries in by_array.items():
                    with root.inner(view_name(array)) as folder:
                        for entry in entries:
                            self._show(folder, entry)
            finally:
                root.close()
        except OSError as error:
            raise _fault(self.path, error) from error

    def close(self) -> None:
        """Nothing stays open between two calls."""

    def _show(self, folder: OwnedFolder | None, entry: ViewEntry) -> None:
        name = entry_name(entry.key) + ENDING
        place = (entry.array, entry.key)
        if isinstance(entry, Gone):
            if folder is not None:
                folder.delete(name)
            self._left_out.discard(place)
        elif folder is not None and folder.write(name, text_of(entry)):
            self._left_out.discard(place)
        else:
            self._left_out.add(place)

    def _sweep(self, wanted: dict[str, set[str]]) -> None:
        try:
            _sweep(self.path, wanted)
        except OSError as error:
            raise _fault(self.path, error) from error


def remove_markdown(path: Path) -> None:
    """Delete every file of ours below ``path``, then the folders that are empty. Raises ``StorageFault``."""
    if not path.is_dir() or path.is_symlink():
        return
    try:
        _sweep(path, {})
        if not any(path.iterdir()):
            path.rmdir()
    except OSError as error:
        raise _fault(path, error) from error


def _sweep(path: Path, wanted: dict[str, set[str]]) -> None:
    root = OwnedFolder.open(path, mark=MARK)
    try:
        for name in root.names():
            with root.inner(name, create=False) as folder:
                was_ours = folder is not None and folder.sweep(wanted.get(name, set()))
            if was_ours and name not in wanted:
                root.remove_inner(name)
    finally:
        root.close()


def _fault(path: Path, error: OSError) -> StorageFault:
    return view_fault(path, error.strerror or "")
