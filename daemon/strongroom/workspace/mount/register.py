"""``Register``: what is remembered of mounts, in memory and on disk at once.

A change is on disk before it is in memory: whoever is answered finds it at the next start.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from strongroom.workspace.mount.info import KnownProject
from strongroom.workspace.mount.known import Known, KnownFile, now_ms
from strongroom.workspace.mount.opened import OpenedMount

__all__ = ["Register"]


class Register:
    """The list. Safe for any thread."""

    def __init__(self, file: KnownFile) -> None:
        """Read it. Raises ``StorageFault`` when it is damaged."""
        self._file = file
        self._lock = threading.Lock()
        self._known = file.load()

    def mounted(self) -> list[Known]:
        """What is to be open, by name."""
        with self._lock:
            return sorted((known for known in self._known if known.mounted), key=lambda known: known.name)

    def find(self, name: str) -> Known | None:
        """The mount of that name that is to be open."""
        with self._lock:
            return next((known for known in self._known if known.mounted and known.name == name), None)

    def opening(self, name: str, project_dir: Path, owner_id: str, provider: str, *, own: bool) -> Known | None:
        """Note that a mount is about to be opened. Returns what was known of it."""
        with self._lock:
            old = next((each for each in self._known if _is(each, name, project_dir)), None)
        new = replace(
            old or Known(name=name, project_dir=project_dir, mounted=True),
            mounted=True,
            own=own,
            owner_id=owner_id,
            provider=provider,
        )
        self._change(lambda known: [*(each for each in known if not _is(each, name, project_dir)), new])
        return old

    def not_opened(self, name: str, project_dir: Path, old: Known | None) -> None:
        """Take ``opening`` back. A version that may have been written by then stays noted."""

        def change(known: list[Known]) -> list[Known]:
            changed: list[Known] = []
            for each in known:
                if not _is(each, name, project_dir):
                    changed.append(each)
                elif old is not None:
                    changed.append(replace(old, counts={**old.counts, **each.counts}))
                elif each.counts:
                    changed.append(replace(each, mounted=False))
            return changed

        self._change(change)

    def counted(self, mounts: Iterable[OpenedMount], *, mounted: bool | None = None) -> None:
        """Write down what ``mounts`` hold now, and, where it is said, whether they are to be opened again."""
        seen = {(opened.name, opened.project_dir): (opened.workspace.id, opened.needed()) for opened in mounts}
        at = now_ms()

        def change(known: list[Known]) -> list[Known]:
            changed: list[Known] = []
            for each in known:
                found = seen.get((each.name, each.project_dir))
                if found is not None:
                    workspace_id, counts = found
                    stays = each.mounted if mounted is None else mounted
                    each = replace(each, workspace_id=workspace_id, counts=counts, seen_at=at, mounted=stays)
                elif any(
                    directory == each.project_dir and workspace_id == each.workspace_id
                    for (_, directory), (workspace_id, _) in seen.items()
                ):
                    continue  # the same workspace under an older name of its mount
                changed.append(each)
            return changed

        self._change(change)

    def may_write(self, name: str, project_dir: Path, version: int) -> None:
        """Note that ``version`` may be written into a mount from now on."""

        def change(known: list[Known]) -> list[Known]:
            return [_with_version(each, version) if _is(each, name, project_dir) else each for each in known]

        self._change(change)

    def unmounted(self, name: str) -> None:
        """Do not open it again; its counts stay."""

        def change(known: list[Known]) -> list[Known]:
            return [replace(each, mounted=False) if each.name == name else each for each in known]

        self._change(change)

    def projects(self, *, without: Callable[[Known], bool]) -> list[KnownProject]:
        """What is not open and sealed with keys of this host: unmounted projects, and those that could not be opened.
        ``without`` says what is open."""
        with self._lock:
            known = [each for each in self._known if each.own and not without(each) and each.counts]
        names = [each.name for each in known]
        return [
            KnownProject(
                name=each.name if names.count(each.name) == 1 else f"{each.name} in {each.project_dir}",
                project_dir=each.project_dir,
                counts=dict(each.counts),
                seen_at=each.seen_at,
            )
            for each in known
        ]

    def forget(self, project: KnownProject) -> None:
        """Do not count an unmounted project any more. One that is to be open stays in the list, without counts."""

        def change(known: list[Known]) -> list[Known]:
            name = project.name.removesuffix(f" in {project.project_dir}")
            found = [each for each in known if _is(each, name, project.project_dir)]
            kept = [each for each in known if each not in found]
            return [*kept, *(replace(each, counts={}) for each in found if each.mounted)]

        self._change(change)

    def _change(self, change: Callable[[list[Known]], list[Known]]) -> None:
        with self._lock:
            known = change(list(self._known))
            if known != self._known:
                self._file.store(known)
                self._known = known


def _is(known: Known, name: str, project_dir: Path) -> bool:
    return known.name == name and known.project_dir == project_dir


def _with_version(known: Known, version: int) -> Known:
    if known.counts.get(version):
        return known
    return replace(known, counts={**known.counts, version: 1}, seen_at=now_ms())
