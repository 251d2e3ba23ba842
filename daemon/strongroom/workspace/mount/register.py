"""``Register``: what is remembered of mounts, in memory and on disk at once.

A change is on disk before it is in memory: whoever is answered finds it at the next start.
"""

import threading
from collections import Counter
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

    def all(self) -> list[Known]:
        """Everything, by name."""
        with self._lock:
            return sorted(self._known, key=lambda known: known.name)

    def find(self, name: str) -> Known | None:
        """The mount of that name that is to be open."""
        with self._lock:
            return next((known for known in self._known if known.mounted and known.name == name), None)

    def opening(self, name: str, project_dir: Path, owner_id: str, provider: str, *, own: bool) -> tuple[Known, ...]:
        """Note that a mount is about to be opened. Returns what was known of it.

        What another owner has there needs its keys as before, and is not to be opened.
        """
        with self._lock:
            before = tuple(each for each in self._known if _is(each, name, project_dir))
        old = next((each for each in before if _whose(each) == (owner_id, own)), None)
        new = replace(
            old or Known(name=name, project_dir=project_dir, mounted=True),
            mounted=True,
            own=own,
            owner_id=owner_id,
            provider=provider,
        )
        of_others = [replace(each, mounted=False) for each in before if each is not old and each.counts]
        self._change(lambda known: [*(each for each in known if not _is(each, name, project_dir)), *of_others, new])
        return before

    def not_opened(self, name: str, project_dir: Path, before: tuple[Known, ...]) -> None:
        """Take ``opening`` back. A version that may have been written by then stays noted."""

        def change(known: list[Known]) -> list[Known]:
            now = {_whose(each): each for each in known if _is(each, name, project_dir)}
            others = [each for each in known if not _is(each, name, project_dir)]
            back = [replace(each, counts={**each.counts, **now.pop(_whose(each), each).counts}) for each in before]
            return [*others, *back, *(replace(each, mounted=False) for each in now.values() if each.counts)]

        self._change(change)

    def counted(self, mounts: Iterable[OpenedMount], *, mounted: bool | None = None) -> None:
        """Write down what ``mounts`` hold now, and, where it is said, whether they are to be opened again.

        Where a project names another workspace by now, the log of the one before still needs its keys.
        """
        seen = {
            (opened.name, opened.project_dir, opened.owner_id): (opened.workspace.id, opened.needed())
            for opened in mounts
        }
        at = now_ms()

        def change(known: list[Known]) -> list[Known]:
            found: list[Known] = []
            others: list[Known] = []
            for each in known:
                counted = seen.get((each.name, each.project_dir, each.owner_id)) if each.mounted else None
                if counted is None:
                    others.append(each)
                    continue
                workspace_id, counts = counted
                if each.counts and each.workspace_id not in ("", workspace_id):
                    others.append(replace(each, mounted=False))
                stays = each.mounted if mounted is None else mounted
                found.append(replace(each, workspace_id=workspace_id, counts=counts, seen_at=at, mounted=stays))
            # Left out is the same workspace under an older name of its mount.
            places = {_log_of(each) for each in found}
            return [*(each for each in others if _log_of(each) not in places), *found]

        self._change(change)

    def may_write(self, name: str, project_dir: Path, version: int) -> None:
        """Note that ``version`` may be written into a mount from now on."""

        def change(known: list[Known]) -> list[Known]:
            return [
                _with_version(each, version) if each.mounted and _is(each, name, project_dir) else each
                for each in known
            ]

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
        names = Counter(each.name for each in known)
        places = Counter((each.name, each.project_dir) for each in known)
        owners = Counter((each.name, each.project_dir, each.owner_id) for each in known)
        return [
            KnownProject(
                name=(each.name if names[each.name] == 1 else f"{each.name} in {each.project_dir}")
                + (f" of {each.owner_id}" if places[each.name, each.project_dir] > 1 else "")
                + (f", {each.workspace_id}" if owners[each.name, each.project_dir, each.owner_id] > 1 else ""),
                mount=each.name,
                owner_id=each.owner_id,
                workspace_id=each.workspace_id,
                project_dir=each.project_dir,
                counts=dict(each.counts),
                seen_at=each.seen_at,
            )
            for each in known
        ]

    def forget(self, project: KnownProject) -> None:
        """Do not count an unmounted project any more. One that is to be open stays in the list, without counts."""

        def change(known: list[Known]) -> list[Known]:
            found = [
                each
                for each in known
                if _is(each, project.mount, project.project_dir)
                and (_whose(each), each.workspace_id) == ((project.owner_id, True), project.workspace_id)
            ]
            kept = [each for each in known if each not in found]
            return [*kept, *(replace(each, counts={}) for each in found if each.mounted)]

        self._change(change)

    def names_of(self, project_dir: Path, owner_id: str, *, own: bool) -> list[str]:
        """The mounts of a project that an owner was the last to open, with keys of this host or without."""
        with self._lock:
            latest = {each.name: each for each in self._known if each.project_dir == project_dir}
        return sorted(name for name, each in latest.items() if _whose(each) == (owner_id, own))

    def wiped(self, project_dir: Path, owner_id: str, *, own: bool) -> None:
        """Nothing of an owner is left in a project. What is to be open stays in the list, without counts."""

        def change(known: list[Known]) -> list[Known]:
            gone = [each for each in known if each.project_dir == project_dir and _whose(each) == (owner_id, own)]
            kept = [each for each in known if each not in gone]
            return [*kept, *(replace(each, counts={}) for each in gone if each.mounted)]

        self._change(change)

    def _change(self, change: Callable[[list[Known]], list[Known]]) -> None:
        with self._lock:
            known = change(list(self._known))
            if known != self._known:
                self._file.store(known)
                self._known = known


def _is(known: Known, name: str, project_dir: Path) -> bool:
    return known.name == name and known.project_dir == project_dir


def _whose(known: Known) -> tuple[str, bool]:
    return known.owner_id, known.own


def _log_of(known: Known) -> tuple[Path, str, str, bool]:
    """What tells one log from another."""
    return known.project_dir, known.workspace_id, known.owner_id, known.own


def _with_version(known: Known, version: int) -> Known:
    if known.counts.get(version):
        return known
    return replace(known, counts={**known.counts, version: 1}, seen_at=now_ms())
