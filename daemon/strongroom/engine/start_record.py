"""The record of a run's start, made beside the commit of the run, so that neither disk waits for the other.

A run whose start is not on record, where that is refused, is ended before its guest is executed.
"""

from collections.abc import Callable
from concurrent.futures import Future

from strongroom.engine.auditing import Audit
from strongroom.engine.ends import killed
from strongroom.engine.run_journal import RunJournal
from strongroom.errors import StrongroomError, Unavailable
from strongroom.storage.runs import RunRow
from strongroom.telemetry import logs

__all__ = ["StartRecord"]

NOT_RECORDED = "its start could not be recorded"
log = logs.get("engine")


class StartRecord:
    """One start that is being recorded."""

    def __init__(self, audit: Audit, run: RunRow) -> None:
        self._audit = audit
        self._run = run
        self.is_stored = False

    def beside(self, journal: RunJournal, begin: "Callable[[], Future[None]]") -> None:
        """``begin`` the journal, and wait for both disks. Raises what that raises, or ``Unavailable``."""
        # In this order: the database has more to do, and its thread does it while the record is written.
        stored = begin()
        pending = self._audit.begin(self._action, **self._what(), **self._facts())
        try:
            stored.result()
        except BaseException as error:
            # Behind the record that it begins: it did not.
            code = error.code if isinstance(error, StrongroomError) else "failed"
            self._audit.begin(self._action, outcome=code, **self._what())
            raise
        self.is_stored = True
        try:
            pending.wait()
        except Unavailable:
            self._end(journal)
            raise

    def _end(self, journal: RunJournal) -> None:
        end = killed(NOT_RECORDED)
        try:
            journal.settle(journal.move(end.event, end.content, error_code=end.error_code))
        except StrongroomError as error:
            log.error(
                "a run whose start is not on record goes on at the next start of this host",
                extra={"run_id": self._run.run_id, "why": str(error)},
            )

    @property
    def _action(self) -> str:
        return "run.retry" if self._run.parent_run_id else "run.start"

    def _what(self) -> dict[str, str]:
        return {"subject": self._run.run_id, "owner": self._run.workflow_owner}

    def _facts(self) -> dict[str, str]:
        run = self._run
        facts = {
            "workflow_id": run.workflow_id,
            "workflow": run.workflow_name,
            "module": run.module,
            "event": "" if run.event_id == run.run_id else run.event_id,
            "parent": run.parent_run_id,
        }
        return {name: value for name, value in facts.items() if value}
