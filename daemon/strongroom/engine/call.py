"""One call of a run that is under way, and what is said to whoever waits for it in vain."""

from dataclasses import dataclass

from strongroom.errors import Cancelled, StrongroomError
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.plugin.hang_up import HangUp

__all__ = ["Call", "GuestDropped", "Later", "dropped", "stopped"]


class GuestDropped(Cancelled):
    """The guest that asks is gone, and so is whoever would hear of the answer."""


@dataclass(frozen=True, slots=True)
class Later:
    """No answer yet: there is one once hook ``hook_id`` has its payload ``number`` (from 1), or is disposed of."""

    hook_id: str
    number: int


class Call:
    """One step under way. ``done`` once it is answered or failed; ``later`` while it waits for a payload."""

    __slots__ = ("answer", "asked", "done", "error", "hang_up", "later", "name", "round", "unwritten")

    def __init__(self, name: str, asked: bytes, number: int) -> None:
        self.name = name
        self.asked = asked
        self.round = number
        self.done = False
        self.answer: journal_pb2.StepCompleted | None = None
        self.unwritten: journal_pb2.StepCompleted | None = None
        self.error: StrongroomError | None = None
        self.later: Later | None = None
        self.hang_up = HangUp()

    def result(self) -> journal_pb2.StepCompleted:
        """The answer of a call that is done. Raises what kept it from getting into the journal."""
        if self.answer is None:
            raise self.error or stopped()
        return self.answer


def stopped() -> Cancelled:
    """What a guest gets that wants to send something although its run is being stopped, or goes on elsewhere."""
    return Cancelled("SR-RUN-028", "the run is being stopped")


def dropped() -> GuestDropped:
    """What a thread gets whose guest is gone."""
    # The guest hears of nothing any more, so this is read by nobody.
    return GuestDropped("SR-RUN-028", "the run is being stopped")
