"""Events as API messages: sealed, or with the fields open that were asked for and a record of that."""

import json
from collections.abc import Collection
from contextlib import ExitStack
from typing import Any, Self

from strongroom.engine.auditing import Audit
from strongroom.engine.history import History
from strongroom.engine.journal import JournalEvent
from strongroom.engine.opening import EventOpener
from strongroom.pb.strongroom.v1 import run_pb2
from strongroom.services.convert import event_message
from strongroom.services.reasons import Opening
from strongroom.storage.runs import RunRow

__all__ = ["EventMessages", "as_json"]


def as_json(value: Any) -> bytes:  # Any: JSON
    """``value`` as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class EventMessages(ExitStack):
    """Describes events of one run for one call. With a reason the ``fields`` are opened, once that is on record."""

    def __init__(self, history: History, audit: Audit, header: RunRow, fields: Collection[str], reason: str) -> None:
        super().__init__()
        self._history = history
        self._header = header
        self._explainer = history.explainer()
        self._opening = Opening(audit, "run.decrypt", header, ", ".join(fields), reason) if reason else None
        self._opener = EventOpener(history, header, fields)

    def __enter__(self) -> Self:
        """Nothing is shown that is not on record. Raises ``Unavailable``."""
        if self._opening is not None:
            self.enter_context(self._opening)
        return self

    def of(self, event: JournalEvent) -> run_pb2.Event:
        """The message of ``event``."""
        why = self._history.explained(self._header, event, self._explainer)
        opened = self._opener.content(event) if self._opening is not None else None
        if opened is None or self._opening is None:
            return event_message(event, why)
        self._opening.shown += 1
        return event_message(event, why, opened=as_json(opened))
