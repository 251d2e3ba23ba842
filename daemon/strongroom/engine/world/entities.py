"""Steps, hooks and waits of a run, as the contract has them: views, in the order in which they were created.

A cursor is how many stand before a page; nothing ever goes from a list, and what is new comes at its end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Generic, TypeVar

from strongroom.engine.hook_desk import no_hook
from strongroom.engine.world.faults import not_found
from strongroom.engine.world.ledger import Ledger
from strongroom.engine.world.views import Book, HookView, StepView, WaitView
from strongroom.pb.strongroom.world.v1.event_data_pb2 import EventData
from strongroom.storage import hooks as rows
from strongroom.storage.runs import RunRow

__all__ = ["Page", "Shown", "WorldHooks", "WorldSteps", "WorldWaits"]

PAGE_BYTES: Final = 4_000_000
"""A page with contents ends once they are that large together."""
View = TypeVar("View", StepView, HookView, WaitView)


@dataclass(frozen=True, slots=True)
class Shown(Generic[View]):
    """A view with the header of its run, and its contents where they were asked for."""

    header: RunRow
    view: View
    data: EventData | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Page(Generic[View]):
    """Some views of a run, and whether others stand behind them."""

    header: RunRow
    shown: Sequence[Shown[View]]
    has_more: bool


class WorldSteps:
    """Steps."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, run_id: str, step_id: str, *, opened: bool = False) -> Shown[StepView]:
        """One step. Raises ``NotFound``, ``Tampered``, ``KeyMissing``."""
        header, book = self._ledger.read(run_id)
        step = book.steps.get(step_id)
        if step is None:
            raise not_found("Step", step_id)
        return self._shown(header, book, step, opened=opened)

    def list(self, run_id: str, *, start: int = 0, limit: int, opened: bool = False) -> Page[StepView]:
        """Up to ``limit`` steps from the one at ``start`` on. Raises as ``get`` does."""
        header, book = self._ledger.read(run_id)
        found = _slice(book.steps.values(), start, limit)
        shown = _as_many_as_fit(self._shown(header, book, step, opened=opened) for step in found)
        return Page(header, shown, start + len(shown) < len(book.steps))

    def _shown(self, header: RunRow, book: Book, step: StepView, *, opened: bool) -> Shown[StepView]:
        if not opened:
            return Shown(header, step)
        data = EventData()
        for name, index in (("input", step.input_index), ("result", step.result_index), ("error", step.error_index)):
            if index >= 0:
                setattr(data, name, getattr(self._ledger.event(header, book, index).data, name))
        return Shown(header, step, data)


class WorldHooks:
    """Hooks."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, run_id: str, hook_id: str, *, opened: bool = False) -> Shown[HookView]:
        """One hook. Raises ``NotFound``, ``Tampered``, ``KeyMissing``."""
        header, book = self._ledger.read(run_id)
        hook = book.hooks.get(hook_id)
        if hook is None:
            raise not_found("Hook", hook_id)
        return self._shown(header, book, hook, opened=opened)

    def get_by_id(self, hook_id: str, *, opened: bool = False) -> Shown[HookView]:
        """The hook that has this id, of whatever run. Raises as ``get`` does."""
        journals = self._ledger.journals
        row = journals.database.read(lambda connection: rows.get(connection, hook_id))
        if row is None:
            raise no_hook(hook_id=hook_id)
        return self.get(journals.hook_rows.verified(row).run_id, hook_id, opened=opened)

    def get_by_token(self, token: str, *, opened: bool = False) -> Shown[HookView]:
        """The hook that has this token now. Raises as ``get`` does."""
        journals = self._ledger.journals
        row = journals.database.read(lambda connection: journals.hook_rows.find(connection, token))
        if row is None:
            raise no_hook()
        return self.get(row.run_id, row.hook_id, opened=opened)

    def list(self, run_id: str, *, start: int = 0, limit: int, opened: bool = False) -> Page[HookView]:
        """Up to ``limit`` hooks from the one at ``start`` on. Raises as ``get`` does."""
        header, book = self._ledger.read(run_id)
        found = _slice(book.hooks.values(), start, limit)
        shown = _as_many_as_fit(self._shown(header, book, hook, opened=opened) for hook in found)
        return Page(header, shown, start + len(shown) < len(book.hooks))

    def _shown(self, header: RunRow, book: Book, hook: HookView, *, opened: bool) -> Shown[HookView]:
        return Shown(header, hook, self._ledger.event(header, book, hook.created_index).data if opened else None)


class WorldWaits:
    """Waits, which the contract has no store for: they are in the answers to their events, and here."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list(self, run_id: str, *, start: int = 0, limit: int) -> Page[WaitView]:
        """Up to ``limit`` waits from the one at ``start`` on. Raises ``NotFound``, ``Tampered``, ``KeyMissing``."""
        header, book = self._ledger.read(run_id)
        found = _slice(book.waits.values(), start, limit)
        return Page(header, [Shown(header, wait) for wait in found], start + limit < len(book.waits))


def _as_many_as_fit(shown: Iterable[Shown[View]]) -> list[Shown[View]]:
    page: list[Shown[View]] = []
    size = 0
    for each in shown:
        page.append(each)
        size += each.data.ByteSize() if each.data is not None else 0
        if size >= PAGE_BYTES:
            break
    return page


def _slice(views: Iterable[View], start: int, limit: int) -> list[View]:
    return list(islice(views, start, start + limit))
