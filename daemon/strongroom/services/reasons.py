"""The reason that somebody gives for looking into what is sealed, or for stopping a run."""

from typing import Final, Self

import grpc

from strongroom.errors import InvalidInput
from strongroom.telemetry import logs

__all__ = ["Opening", "checked_reason"]

REASON_CHARACTERS_MAX: Final = 512
"""A reason is a sentence; it is sealed into the journal, or becomes a line of the daemon's log."""
log = logs.get("services")


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
    """Sealed contents that are shown: the log says who asked for what and why before the first of them, and how many
    there were after the last. It never says what they hold."""

    def __init__(self, what: str, run_id: str, reason: str, context: grpc.ServicerContext) -> None:
        self._facts = {"run_id": run_id, "what": what, "reason": reason, "peer": context.peer()}
        self.shown = 0
        """Contents that were handed over up to now."""

    def __enter__(self) -> Self:
        """Nothing is shown that was not announced."""
        log.warning("sealed contents of a run are opened", extra=self._facts)
        return self

    def __exit__(self, *_failure: object) -> None:
        """However it ended."""
        log.warning("sealed contents of a run were opened", extra={**self._facts, "shown": self.shown})
