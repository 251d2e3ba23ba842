"""What operators do with registered workflows: look, pause, activate, delete. Their triggers follow."""

import threading
import time
from collections.abc import Collection
from typing import Final, Protocol

from strongroom.engine.host import EngineHost
from strongroom.engine.specs import ACTIVE, CHANGED, ID_CHARACTERS, PAUSED, Spec, TamperedSpec
from strongroom.errors import Conflict, KeyMissing, Tampered, TimedOut
from strongroom.storage import runs

__all__ = ["Catalog", "Desk"]

DRAIN_LOOK_S: Final = 0.1
"""How often a deletion that waits looks whether the last run has ended."""
ATTEMPTS: Final = 5
"""How often a record is read again that others change in the same moment."""


class Desk(Protocol):
    """Who keeps workflows registered with their triggers."""

    def enrol(self, spec: Spec) -> None:
        """Register the triggers of an active workflow."""

    def pause(self, spec: Spec) -> None:
        """Take no events for now."""

    def forget(self, workflow_id: str, spec: Spec | None = None) -> None:
        """Have the triggers forget a workflow that is gone."""


class _NoDesk:
    """A host without triggers: runs are started by hand."""

    def enrol(self, spec: Spec) -> None:
        """Nothing to register with."""

    def pause(self, spec: Spec) -> None:
        """Nothing to pause."""

    def forget(self, workflow_id: str, spec: Spec | None = None) -> None:
        """Nothing to forget."""


class Catalog:
    """The registered workflows."""

    def __init__(self, host: EngineHost, desk: Desk | None = None) -> None:
        self._host = host
        self._desk = desk or _NoDesk()

    def get(self, owner: str, name_or_id: str) -> Spec:
        """The record. Raises ``NotFound`` or ``Tampered``."""
        return self._host.specs.find(owner, name_or_id)

    def page(
        self, owners: Collection[str] | None, before: tuple[int, str] | None, limit: int
    ) -> list[Spec | TamperedSpec]:
        """Up to ``limit`` records of ``owners`` or of all, newest first."""
        return self._host.specs.page(owners, before, limit)

    def count(self) -> int:
        """How many workflows are registered."""
        return self._host.specs.count()

    def pause(self, owner: str, name_or_id: str) -> Spec:
        """Refuse new runs and events from now on; what runs goes on, and triggers keep what they have."""
        # The record first: an event that comes in between is refused by it, and is not confirmed.
        spec = self._with_status(owner, name_or_id, PAUSED)
        self._desk.pause(spec)
        return spec

    def activate(self, owner: str, name_or_id: str) -> Spec:
        """Accept new runs and events again; triggers that refused the workflow are asked once more."""
        spec = self._with_status(owner, name_or_id, ACTIVE)
        self._desk.enrol(spec)
        return spec

    def delete(self, owner: str, name_or_id: str, *, validate_only: bool, drain_s: float = 0.0) -> str:
        """Forget the record; past runs stay. Returns its id. Raises ``WrongState`` while runs are unfinished.

        With ``drain_s`` the workflow is paused and its runs get that long to end; ``TimedOut`` when they do not, and it
        stays paused. A record that failed authentication is deleted by its id: nothing of it is believed, and it stands
        in the way.
        """
        try:
            spec = self._host.specs.only(owner, name_or_id)
        except (Tampered, KeyMissing):
            if len(name_or_id) != ID_CHARACTERS:
                raise
            self._host.specs.remove(name_or_id, validate_only=validate_only)
            if not validate_only:
                self._desk.forget(name_or_id)
            return name_or_id
        if drain_s > 0 and not validate_only:
            self._drain(owner, spec, drain_s)
        self._host.specs.remove(spec.workflow_id, validate_only=validate_only)
        if not validate_only:
            self._desk.forget(spec.workflow_id, spec)
            self._host.drop_module(spec)
        return spec.workflow_id

    def unfinished(self, owner: str, name_or_id: str) -> tuple[str, int]:
        """Its id, and how many runs a deletion that drains would wait for now. Raises as ``delete`` does."""
        spec = self._host.specs.only(owner, name_or_id)
        return spec.workflow_id, self._unfinished(spec.workflow_id)

    def _drain(self, owner: str, spec: Spec, drain_s: float) -> None:
        self.pause(owner, spec.workflow_id)
        until = time.monotonic() + drain_s
        pause = threading.Event()
        while left := self._unfinished(spec.workflow_id):
            rest_s = until - time.monotonic()
            if rest_s <= 0:
                raise TimedOut(
                    "SR-WF-020",
                    f"workflow {spec.row.workflow_name} still has {left} unfinished runs",
                    why="they did not end in time; the workflow is paused now, and they go on",
                    fix="delete it again later, cancel the runs, or take runs again: strongroom workflow activate",
                    workflow_id=spec.workflow_id,
                    runs=left,
                )
            # Never beyond the end: the answer has to leave before the caller's deadline.
            pause.wait(min(DRAIN_LOOK_S, rest_s))

    def _unfinished(self, workflow_id: str) -> int:
        return self._host.journals.database.read(lambda connection: runs.count_unfinished(connection, workflow_id))

    def _with_status(self, owner: str, name_or_id: str, status: str) -> Spec:
        for attempt in range(1, ATTEMPTS + 1):
            spec = self._host.specs.only(owner, name_or_id)
            if spec.row.status == status:
                break
            try:
                return self._host.specs.set_status(spec, status)
            except Conflict as error:
                if error.code != CHANGED or attempt == ATTEMPTS:
                    raise
        return spec
