"""What a journal says that a guest did and saw, and the comparison with what it does when it is executed again."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from strongroom.engine.journal import STEP_COMPLETED, STEP_CREATED, JournalEvent
from strongroom.errors import NondeterministicGuest
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = ["Script", "ScriptedStep", "script_of"]

CANCEL_REQUESTED = "cancel_requested"
TIME_READ = "time_read"
LOG_WRITTEN = "log_written"
PRE_HOOK = "p:"


@dataclass(slots=True)
class ScriptedStep:
    """A step of the journal. ``seen`` once the guest has made it again."""

    created: journal_pb2.StepCreated
    completed: journal_pb2.StepCompleted | None = None
    seen: bool = False


@dataclass(eq=False)
class Script:
    """The journal of one run. ``whole`` says that its guest came to an end of its own, so that nothing may follow.

    ``difference`` stands once the guest did something else.
    """

    whole: bool
    created: journal_pb2.RunCreated
    steps: dict[str, ScriptedStep] = field(default_factory=dict)
    times: list[int] = field(default_factory=list)
    lines: list[tuple[int, str]] = field(default_factory=list)
    steps_compared: int = 0
    times_compared: int = 0
    lines_compared: int = 0
    difference: NondeterministicGuest | None = None

    def add(self, event: JournalEvent) -> None:
        """Take in the next event of the journal."""
        kind, name, content = event.row.event_type, event.row.correlation_id, event.content or b""
        if name.startswith(PRE_HOOK):
            return
        if kind == STEP_CREATED:
            self.steps[name] = ScriptedStep(journal_pb2.StepCreated.FromString(content))
        elif kind == STEP_COMPLETED:
            self.steps[name].completed = journal_pb2.StepCompleted.FromString(content)
        elif kind == TIME_READ:
            self.times.append(journal_pb2.TimeRead.FromString(content).unix_ns)
        elif kind == LOG_WRITTEN:
            self.lines += [(line.mode, line.line) for line in journal_pb2.LogWritten.FromString(content).lines]

    def watch(self, message: runner_pb2.FromRunner) -> None:
        """Compare what the guest just did; called in the order in which it did it."""
        if self.difference is not None:
            return
        match message.WhichOneof("message"):
            case "capability_call":
                call = message.capability_call
                self._step(str(call.callback_id), call.SerializeToString(deterministic=True), "request")
            case "secrets_call":
                fetch = message.secrets_call
                self._step(f"s{fetch.callback_id}", fetch.SerializeToString(deterministic=True), "secrets_request")
            case "now_call" if message.now_call.mode == sdk_pb2.MODE_DON:
                self._time()
            case "log_line":
                self._line(message.log_line.mode, message.log_line.line)

    def ended(self) -> None:
        """The guest came to its end: everything that the journal holds must have happened again."""
        if self.difference is not None:
            return
        missing = next((name for name, step in self.steps.items() if not step.seen), "")
        if missing:
            self._differs(missing, "it did not make this step again")
        elif self.times_compared < len(self.times):
            self._differs(f"t{self.times_compared}", "it did not ask for the time again")
        elif self.lines_compared < len(self.lines):
            self._differs("log", f"it did not write line {self.lines_compared} of its log again")

    def differs_at_end(self, why: str) -> None:
        """The end is another one."""
        if self.difference is None:
            self._differs("end", why)

    def _step(self, name: str, asked: bytes, part: str) -> None:
        step = self.steps.get(name)
        if step is None:
            self._beyond(name, "it made a step that the journal does not have")
        elif getattr(step.created, part) != asked:
            self._differs(name, "it asked for something else")
        elif not step.seen:
            step.seen = True
            self.steps_compared += 1

    def _time(self) -> None:
        if self.times_compared == len(self.times):
            self._beyond(f"t{self.times_compared}", "it asked for the time once more")
        else:
            self.times_compared += 1

    def _line(self, mode: int, line: str) -> None:
        if self.lines_compared == len(self.lines):
            self._beyond("log", "it wrote a line that the journal does not have")
        elif self.lines[self.lines_compared] != (mode, line):
            self._differs("log", f"line {self.lines_compared} of its log is another one")
        else:
            self.lines_compared += 1

    def _beyond(self, step: str, why: str) -> None:
        """Something that the journal does not hold: a difference when the journal is whole, else its end."""
        if self.whole:
            self._differs(step, why)

    def _differs(self, step: str, why: str) -> None:
        self.difference = NondeterministicGuest(
            "SR-GUEST-030",
            f"the guest is not deterministic: at {step} it did otherwise than its journal says",
            why=why,
            fix="a guest may depend on its config, payload, seed, time and answers only",
            step=step,
        )


def script_of(events: Iterable[JournalEvent], *, whole: bool, created: journal_pb2.RunCreated) -> Script:
    """The script of a journal, up to where somebody asked the run to stop: what followed depends on when that was."""
    script = Script(whole=whole, created=created)
    for event in events:
        if event.row.event_type == CANCEL_REQUESTED:
            break
        script.add(event)
    return script
