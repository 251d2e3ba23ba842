"""``run@1.0.0``: what a run says to its own host. The engine answers it; no plugin is asked.

A call is a step like any other: its answer is on disk before the guest sees it, and replays. What a call changes must
be found again under its ``reference`` when the host ended before the answer was on disk: ``was_sent`` says that this
may be so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from strongroom.engine.calls import Later
from strongroom.engine.disk_watch import DiskRoom
from strongroom.engine.handles import RunHandle
from strongroom.engine.lifecycle import NO_SUCH_WAY
from strongroom.engine.recorded import Recorded
from strongroom.engine.run_journal import JOURNAL_FULL
from strongroom.errors import (
    CapabilityError,
    Exhausted,
    Forbidden,
    InvalidInput,
    NotFound,
    Refused,
    StorageFault,
    Unavailable,
)
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.plugin.error_text import error_of, format_error
from strongroom.registry.ids import choose, parse_id

__all__ = [
    "DESCRIPTION",
    "NOT_NOW",
    "RUN_CAPABILITY",
    "Elsewhere",
    "Method",
    "RunCall",
    "RunCapability",
    "Taken",
    "check_room",
    "is_own",
]

NAME: Final = "run"
RUN_CAPABILITY: Final = f"{NAME}@1.0.0"
DESCRIPTION: Final = "A workflow's own run: hooks that somebody outside answers, streams that others read"
OF_THE_RUN: Final = frozenset({JOURNAL_FULL, NO_SUCH_WAY})
"""What a journal says to whoever appends: it is about the run, and no answer to its guest."""


@dataclass(frozen=True, slots=True)
class Taken:
    """An answer that is payload ``number`` of a hook, which the guest knows as ``hook_id``."""

    message: Message
    hook_id: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCall:
    """One call. ``reference`` is the name of its step, the same however often it is made.

    ``number`` counts the awaits of one hook in the order in which the guest makes them, from 1; 0 for other methods.
    """

    run: RunHandle
    recorded: Recorded
    reference: str
    was_sent: bool
    number: int = 0


@dataclass(frozen=True, slots=True)
class Method:
    """One method: the message that it takes, and what answers it.

    ``answer`` raises a ``Refused`` or a ``CapabilityError``, which the guest reads; whatever else it raises ends this
    execution: a ``StorageFault``, and what the journal says of a run that has ended or is full.
    """

    request: type[Message]
    answer: Callable[[RunCall, Any], Message | Taken | Later]  # Any: a message of that type


class RunCapability:
    """Answers by a table of methods."""

    def __init__(self, methods: Mapping[str, Method]) -> None:
        self._methods = dict(methods)

    def answer(self, call: RunCall, request: sdk_pb2.CapabilityRequest) -> journal_pb2.StepCompleted | Later:
        """The answer of the step; a refusal is one. Raises what is no business of the guest, as ``StorageFault``."""
        try:
            choose(request.id, [RUN_CAPABILITY])
            answered = self._answer(call, request)
        except LookupError as error:
            return _failed(NotFound("SR-HOOK-001", str(error)))
        except Unavailable as error:
            raise StorageFault("SR-RUN-019", "the journal of a run was not written", why=str(error)) from error
        except (Refused, CapabilityError) as error:
            if error.code in OF_THE_RUN:
                raise
            return _failed(error)
        if isinstance(answered, Later):
            return answered
        response = sdk_pb2.CapabilityResponse()
        response.payload.Pack(answered.message if isinstance(answered, Taken) else answered, deterministic=True)
        completed = journal_pb2.StepCompleted(response=response.SerializeToString(deterministic=True), attempts=1)
        if isinstance(answered, Taken):
            completed.hook.hook_id, completed.hook.number = answered.hook_id, answered.number
        return completed

    def _answer(self, call: RunCall, request: sdk_pb2.CapabilityRequest) -> Message | Taken | Later:
        method = self._methods.get(request.method)
        if method is None:
            raise CapabilityError(
                "Public", "User", "Unimplemented", f"{RUN_CAPABILITY} has no method {request.method[:100]!r}"
            )
        asked = method.request()
        try:
            is_that = request.payload.Unpack(asked)
        except DecodeError:
            is_that = False
        if not is_that:
            raise InvalidInput(
                "SR-HOOK-002",
                f"{RUN_CAPABILITY} {request.method} takes a {method.request.DESCRIPTOR.full_name}",
                why=f"the payload is a {request.payload.type_url[:200]!r}",
                field="payload",
            )
        return method.answer(call, asked)


def check_room(disk: DiskRoom, what: str, needed_bytes: int) -> None:
    """Raises ``CapabilityError`` when the host keeps what room there is for the ends of runs."""
    try:
        disk.check(what, needed_bytes)
    except Exhausted as error:
        # Only what is new is an answer to the guest: a journal that finds no room ends this execution.
        raise CapabilityError("Public", "System", "ResourceExhausted", f"{error.code}: {error}") from error


class Elsewhere:
    """What answers in the registry: whoever asks there is not a run that this host executes itself."""

    def execute(
        self, request: capabilities_pb2.CapabilityRequest, *, timeout_s: float
    ) -> capabilities_pb2.CapabilityResponse:
        """Refused. Clients, plugins and enclaves have no journal here that their answers would be part of."""
        del request, timeout_s
        raise _for_guests(
            Forbidden(
                "SR-HOOK-003",
                f"{RUN_CAPABILITY} answers runs that this host executes itself: not clients, plugins or enclaves",
            )
        )


class _NotNow(RunCapability):
    """What answers a guest that is asked for restrictions: its run has not begun."""

    def answer(self, call: RunCall, request: sdk_pb2.CapabilityRequest) -> journal_pb2.StepCompleted | Later:
        """Refused."""
        del call, request
        return _failed(
            Forbidden("SR-HOOK-010", f"a pre-hook cannot call {RUN_CAPABILITY}", why="the run has not begun")
        )


NOT_NOW: Final = _NotNow({})


def is_own(capability_id: str) -> bool:
    """Whether a guest means its own run, in whatever version."""
    return parse_id(capability_id).name == NAME


def _for_guests(error: Refused | CapabilityError) -> CapabilityError:
    """The error as guests read it, with its code."""
    if isinstance(error, CapabilityError):
        return error
    failure = error_of(error)
    return CapabilityError(failure.visibility, failure.origin, failure.name, f"{error.code}: {error}")


def _failed(error: Refused | CapabilityError) -> journal_pb2.StepCompleted:
    failed = sdk_pb2.CapabilityResponse(error=format_error(_for_guests(error)))
    return journal_pb2.StepCompleted(response=failed.SerializeToString(deterministic=True), attempts=1)
