"""The reason that somebody gives for looking into what is sealed, or for stopping a run."""

from typing import Final, Self

from strongroom.engine.auditing import Audit
from strongroom.errors import InvalidInput
from strongroom.services.audited import BEGUN, outcome_of
from strongroom.storage.runs import RunRow

__all__ = ["Opening", "checked_reason"]

REASON_CHARACTERS_MAX: Final = 512
"""A reason is a sentence; it is sealed into the journal, or becomes part of a record of the audit log."""


def checked_reason(untrusted_reason: str) -> str:
    """The reason without the space around it. Raises ``InvalidInput``."""
    if len(untrusted_reason) > REASON_CHARACTERS_MAX:
        raise InvalidInput(
            "SR-RUN-017",
            f"the reason is longer than {REASON_CHARACTERS_MAX} characters",
            fix="shorten it",
            field="reason",
        )
    reason = untrusted_reason.strip()
    if untrusted_reason and not reason:
        raise InvalidInput("SR-RUN-040", "the reason says nothing", fix="say why, or leave it out", field="reason")
    return reason


class Opening:
    """Sealed contents of a run that are shown: the audit log says who asked for what and why before the first of them,
    and how many there were after the last. It never says what they hold.

    ``action`` is ``run.decrypt``, ``run.export`` or ``run.key``; ``what`` names the fields that were asked for.
    """

    def __init__(self, audit: Audit, action: str, run: RunRow, what: str, reason: str) -> None:
        self._audit = audit
        self._action = action
        self._run = run
        self._what = what
        self._reason = reason
        self.shown = 0
        """Contents that were handed over up to now."""

    def __enter__(self) -> Self:
        """Nothing is shown that is not on record. Raises ``Unavailable``."""
        self._audit.record(
            self._action,
            subject=self._run.run_id,
            owner=self._run.workflow_owner,
            outcome=BEGUN,
            reason=self._reason,
            fields=self._what,
        )
        return self

    def __exit__(self, _kind: object, failure: BaseException | None, _trace: object) -> None:
        """However it ended."""
        outcome = "done" if failure is None else outcome_of(failure)
        pending = self._audit.begin(
            self._action,
            subject=self._run.run_id,
            owner=self._run.workflow_owner,
            outcome=outcome,
            reason=self._reason,
            fields=self._what,
            shown=self.shown,
        )
        if failure is None:
            pending.wait()
