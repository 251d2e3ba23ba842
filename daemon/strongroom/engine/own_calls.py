"""The calls that one execution of a guest makes to its own run, ``run@1.0.0``."""

import threading
from collections import Counter
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.engine.calls import Later
from strongroom.engine.handles import RunHandle
from strongroom.engine.recorded import Recorded
from strongroom.engine.run_capability import RunCall, RunCapability, is_own
from strongroom.engine.stream_steps import WRITE_STREAM
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.pb.strongroom.run.v1 import run_capability_pb2

__all__ = ["OwnCalls"]

AWAIT: Final = "AwaitHook"
HOOK_ID_CHARS_MAX: Final = 64
"""Longer than any id of a hook; awaits of what is none are not counted."""


class OwnCalls:
    """Counts the awaits of each hook in the order in which the guest makes them: a guest that is executed again makes
    them in the same order, so the same await gets the same payload."""

    def __init__(self, capability: RunCapability, run: RunHandle, recorded: Recorded) -> None:
        self._capability = capability
        self._run = run
        self._recorded = recorded
        self._lock = threading.Lock()
        self._awaits: Counter[str] = Counter()
        self._numbers: dict[int, int] = {}

    def begin(self, request: sdk_pb2.CapabilityRequest, reference: str) -> None:
        """The guest makes a call that it may make. Called in its order."""
        if request.method != AWAIT or not is_own(request.id):
            return
        asked = run_capability_pb2.AwaitHookRequest()
        try:
            is_await = request.payload.Unpack(asked)
        except DecodeError:
            return
        if is_await and len(asked.hook_id) <= HOOK_ID_CHARS_MAX:
            with self._lock:
                self._awaits[asked.hook_id] += 1
                self._numbers[request.callback_id] = self._awaits[asked.hook_id]
            self._run.calls.expect(reference)

    @staticmethod
    def keeps(request: sdk_pb2.CapabilityRequest) -> bool:
        """Whether a large request is kept in the journal: what is written to a stream stands there already."""
        return request.method != WRITE_STREAM

    def send(
        self, request: sdk_pb2.CapabilityRequest, reference: str, *, was_sent: bool
    ) -> journal_pb2.StepCompleted | Later:
        """The answer, or when there is one."""
        call = RunCall(
            run=self._run,
            recorded=self._recorded,
            reference=reference,
            was_sent=was_sent,
            number=self._numbers.get(request.callback_id, 0),
        )
        return self._capability.answer(call, request)
