"""Which TEEs the enclaves of this host provide, asked of them when somebody needs to know.

An answer is used for half a minute and then asked for again: an enclave may come and go. A failure is remembered for
seconds only, so that one bad moment turns no workflow away for good, and many who ask at once wait for one question.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from google.protobuf import any_pb2, empty_pb2
from google.protobuf.message import DecodeError

from strongroom.errors import CapabilityError, NotFound, StrongroomError, Unavailable
from strongroom.modules.capabilities import Capabilities
from strongroom.pb.capabilities.compute.confidentialworkflow.v1alpha import confidential_workflow_pb2 as messages
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2

__all__ = ["CAPABILITY_ID", "QUESTION_TIMEOUT_S", "ProvidedTees", "Tees"]

CAPABILITY_ID: Final = "confidential-workflows@1.0.0-alpha"
QUESTION_TIMEOUT_S: Final = 5.0
"""Asking a backend what it is involves no guest."""
FRESH_S: Final = 30.0
"""How long an answer is used. A run asks once when it is accepted and once before it executes."""
FAILED_S: Final = 3.0
"""How long a failure is not repeated: a plugin that restarts is back in about this time."""
TEES_MAX: Final = 100
"""Types times providers; a longer list is no description of one host."""

Tees = tuple[sdk_pb2.TeeTypeAndRegions, ...]


class ProvidedTees:
    """The answer of ``ProvidedTees``, or that there is none. ``clock`` counts seconds and never goes back."""

    def __init__(self, capabilities: Capabilities, clock: Callable[[], float] = time.monotonic) -> None:
        self._capabilities = capabilities
        self._clock = clock
        self._asking = threading.Lock()
        self._until_s = float("-inf")
        self._tees: Tees = ()
        self._failure: Unavailable | None = None

    def now(self) -> Tees:
        """What is provided; nothing when no enclave is configured, or it does not know the question.

        Raises ``Unavailable`` when it could not be asked: that is not the same as nothing.
        """
        with self._asking:
            if self._clock() >= self._until_s:
                self._tees, self._failure = (), None
                try:
                    self._tees = self._ask()
                except Unavailable as error:
                    self._failure = error
                self._until_s = self._clock() + (FAILED_S if self._failure else FRESH_S)
            if self._failure is not None:
                raise _unavailable(self._failure.why)
            return self._tees

    def _ask(self) -> Tees:
        dialect = self._capabilities.dialect(CAPABILITY_ID)
        if dialect == "seed":
            return ()
        question = capabilities_pb2.CapabilityRequest(
            payload=_empty(), configPayload=_empty(), method="ProvidedTees", capabilityId=CAPABILITY_ID
        )
        try:
            answer = self._capabilities.get_executable(CAPABILITY_ID).execute(question, timeout_s=QUESTION_TIMEOUT_S)
        except NotFound as error:
            if dialect is None:
                return ()
            raise _unavailable("the plugin that plugins.yaml names for it has not started") from error
        except StrongroomError as error:
            if isinstance(error, CapabilityError) and error.name == "Unimplemented":
                return ()
            raise _unavailable(str(error)) from error
        provided = messages.ProvidedTeesResponse()
        try:
            understood = answer.payload.Unpack(provided)
        except DecodeError as error:
            raise _unavailable("its answer is damaged") from error
        if not understood:
            raise _unavailable(f"it answered with {answer.payload.type_url or 'nothing'}")
        if len(provided.tee) > TEES_MAX:
            raise _unavailable(f"it named {len(provided.tee)} TEEs, more than {TEES_MAX}")
        return tuple(provided.tee)


def _empty() -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(empty_pb2.Empty())
    return packed


def _unavailable(why: str) -> Unavailable:
    return Unavailable(
        "SR-CWF-012",
        "confidential-workflows could not be asked which TEEs it provides",
        why=why,
        fix="try again in a moment; strongroom plugin list shows its state. Nothing runs outside of an enclave instead",
        retry_ms=int(FAILED_S * 1000),
    )
