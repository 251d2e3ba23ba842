"""Executing a run again against its journal, to see whether its guest is deterministic.

The guest runs in a runner as it did before, and every answer that it gets is the recorded one: nothing is sent, nothing
is stored, and nobody else is asked. What it does is compared in the order in which it does it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from strongroom.engine.cancel_signal import CancelSignal
from strongroom.engine.external import check_executed_here
from strongroom.engine.history import History
from strongroom.engine.host import EngineHost
from strongroom.engine.lifecycle import FINAL, RunState
from strongroom.engine.pre_hook import GuestRun
from strongroom.engine.replay_helper import ReplayHelper
from strongroom.engine.replay_script import Script, script_of
from strongroom.engine.restrictions import Counted
from strongroom.engine.specs import Spec
from strongroom.engine.standing import standing_workflow
from strongroom.engine.traced import attributes_of
from strongroom.errors import (
    Cancelled,
    GuestSuspended,
    NondeterministicGuest,
    StrongroomError,
    TimedOut,
    Unavailable,
    WrongState,
)
from strongroom.modules.module import ExecutionHelper
from strongroom.modules.route import LOCAL, Router
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.storage.runs import RunRow
from strongroom.telemetry.span_names import RUN_REPLAY
from strongroom.telemetry.tracing import span

__all__ = ["Replayed", "Replays", "WatchedRunners"]

REPLAYS_MAX: Final = 1
"""Replays at once: each has a runner to itself, a host has few of them, and runs come first."""
GUEST_ENDS: Final = frozenset({"SR-GUEST-002", "SR-GUEST-011", "SR-GUEST-031", "SR-GUEST-032"})
"""Failures that are the guest's own doing, so that it must fail the same way again."""


class WatchedRunners(Protocol):
    """The pool of runners, as a replay uses it."""

    def key_of(self, wasm: bytes) -> str:
        """Content key of the compiled form of ``wasm``."""

    def execute(
        self,
        *,
        owner: str,
        module_key: str,
        wasm: Callable[[], bytes],
        request: bytes,
        helper: ExecutionHelper,
        watch: Callable[[runner_pb2.FromRunner], None],
    ) -> bytes:
        """Serialized result of one guest; ``watch`` is told of everything that it does, in order."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found. ``cut_off`` says why only the beginning could be compared, if that is so."""

    header: RunRow
    steps: int
    time_reads: int
    log_lines: int
    cut_off: str
    difference: NondeterministicGuest | None


class _Watched:
    """The pool with a watcher, as a module takes it."""

    def __init__(self, runners: WatchedRunners, watch: Callable[[runner_pb2.FromRunner], None]) -> None:
        self._runners = runners
        self._watch = watch

    def key_of(self, wasm: bytes) -> str:
        """As the pool has it."""
        return self._runners.key_of(wasm)

    def execute(
        self, *, owner: str, module_key: str, wasm: Callable[[], bytes], request: bytes, helper: ExecutionHelper
    ) -> bytes:
        """As the pool does it, watched."""
        return self._runners.execute(
            owner=owner, module_key=module_key, wasm=wasm, request=request, helper=helper, watch=self._watch
        )


class Replays:
    """Replays runs."""

    def __init__(self, host: EngineHost, history: History, runners: WatchedRunners) -> None:
        self._host = host
        self._history = history
        self._runners = runners
        self._places = threading.BoundedSemaphore(REPLAYS_MAX)

    def replay(self, run_id: str, timeout_s: float, gone: CancelSignal | None = None) -> Replayed:
        """Execute the guest of a final, local run again and compare. It ends within ``timeout_s``, and once ``gone``
        comes, which says that nobody waits for it any more.

        Raises ``WrongState`` for a run that is not final or was not executed here, ``Refused`` when its workflow is
        registered otherwise now, ``Unavailable`` while others are replayed, ``TimedOut``, ``Cancelled``.
        """
        header = self._history.header(run_id)
        spec = self._checked(header)
        if not self._places.acquire(blocking=False):
            raise Unavailable(
                "SR-RUN-041",
                "another run is being replayed already",
                fix="try again when that has ended",
                limit=REPLAYS_MAX,
                retry_ms=1000,
            )
        try:
            return self._replayed(header, spec, timeout_s, gone or CancelSignal())
        finally:
            self._places.release()

    def _replayed(self, header: RunRow, spec: Spec, timeout_s: float, gone: CancelSignal) -> Replayed:
        events = list(self._history.stored(header))
        cut_off = _cut_off(header)
        script = script_of(events, whole=not cut_off)
        if not script.recorded.created.entropy:
            raise WrongState(
                "SR-RUN-046",
                f"run {header.run_id} cannot be replayed: its journal does not say what time and randomness it saw",
                why="it was accepted by a version that did not record them",
                fix="start a new run and replay that",
                run_id=header.run_id,
            )
        over = threading.Event()
        timeout_ms = max(1, min(self._host.limits.run_timeout_ms, int(timeout_s * 1000)))

        seen_id = script.recorded.created.seen_execution_id or header.execution_id

        def helper_of(phase: str) -> ReplayHelper:
            script.phase = phase
            return ReplayHelper(
                script=script, phase=phase, execution_id=seen_id, timeout_ms=timeout_ms, over=over, gone=gone
            )

        run = GuestRun(
            host=self._watched(script),
            spec=spec,
            module_name=LOCAL,
            trigger=sdk_pb2.Trigger.FromString(script.recorded.created.trigger),
            helper_of=helper_of,
            known=script.took_over,
            remember=script.restrictions,
            recorded=script.recorded,
            counted=Counted(),
        )
        end = events[-1].content or b""
        try:
            with span(RUN_REPLAY, attributes_of(header), link=script.recorded.created.traceparent):
                result = run.execute()
        except (Cancelled, GuestSuspended):
            if gone.reason is not None:
                raise Cancelled("SR-RUN-064", "the replay was given up", why=gone.reason) from None
            # Stopped by this replay: it differs, or it stands where the journal has no more answers for it.
            script.ended(by_itself=False)
        except TimedOut as error:
            if header.status != RunState.TIMED_OUT:
                raise TimedOut(
                    "SR-RUN-056",
                    f"the replay did not come to an end within {timeout_ms} ms",
                    why="every recorded answer was at hand, so its guest computes for so long, or does not end",
                    fix="give it longer (--timeout); limits.run_timeout_ms is the most that it gets",
                    limit=timeout_ms,
                    setting="limits.run_timeout_ms",
                ) from error
            script.ended(by_itself=False)
        except StrongroomError as error:
            if script.difference is None:
                _compare_failure(script, header, end, error)
        else:
            _compare_result(script, header, end, result)
        finally:
            over.set()
        return Replayed(
            header,
            len(script.compared),
            sum(script.times_compared.values()),
            sum(script.lines_compared.values()),
            cut_off,
            script.difference,
        )

    def _watched(self, script: Script) -> EngineHost:
        """This host with modules of its own, whose guests are watched."""
        router = Router(_Watched(self._runners, script.watch), self._host.capabilities, lambda _workflow: None)
        return replace(self._host, router=router, _modules={}, _offers={})

    def _checked(self, header: RunRow) -> Spec:
        if header.status not in FINAL:
            raise WrongState(
                "SR-RUN-042",
                f"run {header.run_id} is {header.status}, and only a run that has ended can be replayed",
                fix="wait for its end, or cancel it",
                run_id=header.run_id,
            )
        check_executed_here(header, "be replayed")
        if header.module != LOCAL:
            raise WrongState(
                "SR-RUN-043",
                f"run {header.run_id} cannot be replayed here: it was executed in an enclave",
                why="this host never saw what its guest asked and was answered, and does not execute it outside",
                fix="replay runs of workflows that are not confidential",
                run_id=header.run_id,
            )
        return standing_workflow(self._host, header)


def _cut_off(header: RunRow) -> str:
    if header.status == RunState.COMPLETED or header.error_code in GUEST_ENDS:
        return ""
    return f"the run ended as {header.status} ({header.error_code}), which was not its guest's doing"


def _compare_result(script: Script, header: RunRow, end: bytes, result: sdk_pb2.ExecutionResult) -> None:
    script.ended(by_itself=True)
    if not script.whole:
        return
    if header.status == RunState.COMPLETED:
        recorded = journal_pb2.RunCompleted.FromString(end).result
        if recorded != result.SerializeToString(deterministic=True):
            script.differs("end", "its result is another one")
    elif result.WhichOneof("result") != "error":
        script.differs("end", "it failed before and has a result now")
    elif result.error != journal_pb2.Failure.FromString(end).error:
        script.differs("end", "it reports another error")


def _compare_failure(script: Script, header: RunRow, end: bytes, error: StrongroomError) -> None:
    """Raises ``error`` when it is not the guest's doing: whoever asked for the replay hears of it."""
    if error.code not in GUEST_ENDS:
        raise error
    script.ended(by_itself=True)
    if not script.whole:
        return
    if header.status == RunState.COMPLETED:
        script.differs("end", "it had a result before and fails now")
    elif (error.code, str(error)) != (header.error_code, journal_pb2.Failure.FromString(end).error):
        script.differs("end", "it fails otherwise")
