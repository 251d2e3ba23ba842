"""What a journal says that a guest did and saw, and the comparison with what it does when it is executed again."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import takewhile

from strongroom.engine.event_types import CANCEL_REQUESTED, LOG_WRITTEN, RESTRICTIONS_SET
from strongroom.engine.journal import JournalEvent
from strongroom.engine.lifecycle import RunEvent
from strongroom.engine.recorded import Recorded, phase_of, recorded
from strongroom.errors import NondeterministicGuest
from strongroom.guest.ids import PRE_HOOK
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["Script", "script_of"]


@dataclass(eq=False)
class Script:
    """The journal of one run. ``whole`` says that its guest came to an end of its own, so that nothing may follow.

    ``phase`` is that of the execution in progress; ``difference`` stands once the guest did something else.
    ``took_over`` are the restrictions that came from the run that this one repeats: its own guest was never asked for
    them, so neither is it now, and nothing of that phase is compared.
    """

    recorded: Recorded
    lines: dict[tuple[str, int], list[str]]
    whole: bool
    took_over: journal_pb2.RestrictionsSet | None = None
    phase: str = ""
    difference: NondeterministicGuest | None = None
    made: set[str] = field(default_factory=set)
    compared: set[str] = field(default_factory=set)
    unknown: list[str] = field(default_factory=list)
    times_compared: dict[str, int] = field(default_factory=dict)
    lines_compared: dict[tuple[str, int], int] = field(default_factory=dict)

    def watch(self, message: runner_pb2.FromRunner) -> None:
        """Keep in mind which calls the guest made: one that it made at its very end may reach nobody."""
        match message.WhichOneof("message"):
            case "capability_call":
                self.made.add(f"{self.phase}{message.capability_call.callback_id}")
            case "secrets_call":
                self.made.add(f"{self.phase}s{message.secrets_call.callback_id}")

    def step(self, name: str, asked: bytes) -> journal_pb2.StepCompleted | None:
        """The recorded answer to a step that the guest makes, if there is one."""
        step = self.recorded.steps.get(name)
        if step is None:
            self.unknown.append(name)
            return None
        if not step.asked_for(asked):
            self.differs(name, "it asked for something else")
            return None
        self.compared.add(name)
        return step.completed

    def time(self) -> int | None:
        """The next recorded reading of the agreed time, if there is one."""
        known = self.recorded.times.get(self.phase, [])
        index = self.times_compared.get(self.phase, 0)
        if index == len(known):
            return None
        self.times_compared[self.phase] = index + 1
        return known[index]

    def line(self, mode: int, line: str) -> None:
        """Compare a line that the guest writes. Each mode has an order of its own: a resumed run mixes them anew."""
        key = (self.phase, mode)
        known = self.lines.get(key, [])
        index = self.lines_compared.get(key, 0)
        if index < len(known) and known[index] == line:
            self.lines_compared[key] = index + 1
        elif index < len(known):
            self.differs("log", f"line {index} of its log is another one")
        elif self.whole:
            self.differs("log", f"it wrote line {index} of its log, which the journal does not have")

    def restrictions(self, answer: journal_pb2.RestrictionsSet) -> None:
        """Compare what the pre-hook says."""
        if self.recorded.restrictions is None:
            if self.whole:
                self.differs(PRE_HOOK, "its pre-hook set restrictions, which it did not before")
        elif self.recorded.restrictions != answer:
            self.differs(PRE_HOOK, "its pre-hook set other restrictions")

    def ended(self, *, by_itself: bool) -> None:
        """The guest came to its end: everything that the journal holds must have happened again."""
        if self.whole and not by_itself and self.unknown:
            self.differs(self.unknown[0], "it made a step that the journal does not have")
        for name in self.recorded.steps:
            if name not in self.compared and name not in self.made and self._is_done_again(phase_of(name)):
                self.differs(name, "it did not make this step again")
        for phase, times in self.recorded.times.items():
            if (index := self.times_compared.get(phase, 0)) < len(times) and self._is_done_again(phase):
                self.differs(f"{phase}t{index}", "it did not ask for the time again")
        for key, lines in self.lines.items():
            if (index := self.lines_compared.get(key, 0)) < len(lines):
                self.differs("log", f"it did not write line {index} of its log again")

    def _is_done_again(self, phase: str) -> bool:
        return self.took_over is None or phase != PRE_HOOK

    def differs(self, step: str, why: str) -> None:
        """Only the first difference counts: what follows may come of it."""
        if self.difference is None:
            self.difference = NondeterministicGuest(
                "SR-GUEST-045",
                f"the guest is not deterministic: at {step} it did otherwise than its journal says",
                why=why,
                fix="a guest may depend on its config, payload, seed, time and answers only",
                step=step,
            )


def script_of(events: Iterable[JournalEvent], *, whole: bool) -> Script:
    """The script of a journal, up to where somebody asked the run to stop: what followed depends on when that was."""
    kept: list[JournalEvent] = []
    for event in events:
        if event.row.event_type == CANCEL_REQUESTED:
            break
        kept.append(event)
    lines: dict[tuple[str, int], list[str]] = {}
    for event in kept:
        if event.row.event_type == LOG_WRITTEN:
            phase = phase_of(event.row.correlation_id)
            for line in journal_pb2.LogWritten.FromString(event.content or b"").lines:
                lines.setdefault((phase, line.mode), []).append(line.line)
    known = recorded(kept)
    return Script(known, lines, whole, known.restrictions if _is_taken_over(kept) else None)


def _is_taken_over(events: Iterable[JournalEvent]) -> bool:
    """Whether the journal had restrictions before its run was started: those of the run that it repeats."""
    before = takewhile(lambda event: event.row.event_type != RunEvent.STARTED, events)
    return any(event.row.event_type == RESTRICTIONS_SET for event in before)
