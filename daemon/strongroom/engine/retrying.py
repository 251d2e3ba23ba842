"""One capability call, sent until it is answered for good: always the same request under the same reference.

What is sent again is a failure of the system that the workflow's retry policy names. A capability that may be called
once only is never called again; when its call failed in a way that leaves open whether it acted, the answer says so.
"""

import time
from dataclasses import dataclass, field
from typing import Final

from strongroom.engine.cancel_signal import CancelSignal
from strongroom.engine.policy import admitted_call, refuse_system_only
from strongroom.errors import CapabilityError, Forbidden, NotFound, StrongroomError, TimedOut, Unavailable
from strongroom.modules.attributes import SecretName
from strongroom.modules.capabilities import Capabilities, Executable
from strongroom.modules.retries import RetryPolicy
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.journal.v1 import journal_pb2
from strongroom.plugin.error_text import error_of, format_error
from strongroom.plugin.hang_up import hung_up
from strongroom.telemetry.trace_context import current, within

__all__ = ["OUTCOME_UNKNOWN", "Caller", "failed_call", "is_retried"]

OUTCOME_UNKNOWN: Final = "OUTCOME_UNKNOWN: the call was sent, its answer was lost, and it is marked at_most_once"
LEAVES_OPEN: Final = frozenset({"Unavailable", "DeadlineExceeded", "Canceled", "Unknown"})
"""Failures of a system after which nobody knows whether the call was executed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Calls capabilities for the steps of one run. ``timeout_ms`` is for all attempts of a call together.

    ``traceparent`` is that of the execution that it is made in, where traces are made. ``listed`` are the secrets that
    the workflow's attributes name: what its guest may read of the vault by calling it.
    """

    capabilities: Capabilities
    metadata: capabilities_pb2.RequestMetadata
    policy: RetryPolicy
    cancel: CancelSignal
    timeout_ms: int
    traceparent: str = field(default_factory=current)
    listed: tuple[SecretName, ...] = ()

    def call(self, request: sdk_pb2.CapabilityRequest, reference: str, *, once: bool) -> journal_pb2.StepCompleted:
        """The answer of the capability, and how often it was asked. A failed call is an answer with ``error`` set."""
        deadline_s = time.monotonic() + self.timeout_ms / 1000
        metadata = capabilities_pb2.RequestMetadata()
        metadata.CopyFrom(self.metadata)
        metadata.reference_id = reference
        call = capabilities_pb2.CapabilityRequest(
            metadata=metadata, payload=request.payload, method=request.method, capabilityId=request.id
        )
        attempts = 1
        while True:
            answer = self._attempt(call, deadline_s - time.monotonic(), once=once)
            if isinstance(answer, journal_pb2.StepCompleted):
                answer.attempts = attempts
                return answer
            wait_s = self.policy.wait_ms(attempts) / 1000
            may_help = is_retried(answer, self.policy) and hung_up() is None
            again = not once and attempts < self.policy.attempts_max and may_help
            if not again or time.monotonic() + wait_s >= deadline_s or self.cancel.wait(wait_s):
                failed = sdk_pb2.CapabilityResponse(error=format_error(answer))
                return journal_pb2.StepCompleted(response=failed.SerializeToString(), attempts=attempts)
            attempts += 1

    def reaches(self, request: sdk_pb2.CapabilityRequest) -> bool:
        """Whether there is a capability that a guest's call goes to, for all that is known before it is made."""
        try:
            refuse_system_only(request.id, request.method)
            self.capabilities.get_executable(request.id)
        except (NotFound, Forbidden):
            return False
        except StrongroomError:
            return True
        return True

    def _attempt(
        self, call: capabilities_pb2.CapabilityRequest, timeout_s: float, *, once: bool
    ) -> journal_pb2.StepCompleted | CapabilityError:
        """The answer, or the failure that a policy may have tried again."""
        try:
            capability = admitted_call(call, self.capabilities, self.listed)
        except CapabilityError as error:
            return error
        except NotFound as error:
            return failed_call("NotFound", f"action capability not found: {error}")
        except (Unavailable, TimedOut) as error:
            return error_of(error)
        except StrongroomError as error:
            return failed_call("PermissionDenied", str(error))
        failure: CapabilityError
        try:
            if self.traceparent:
                # Whichever thread brings the call, it belongs to the execution that this was made for.
                with within(self.traceparent):
                    answer = capability.execute(call, timeout_s=timeout_s)
            else:
                answer = capability.execute(call, timeout_s=timeout_s)
        except CapabilityError as error:
            failure = error
        except (Unavailable, TimedOut) as error:
            failure = error_of(error)
        except StrongroomError as error:
            # Whatever came back was no answer, but it came from somewhere.
            return failed_call("Aborted", OUTCOME_UNKNOWN) if once else failed_call("Unavailable", str(error))
        else:
            response = sdk_pb2.CapabilityResponse(payload=answer.payload)
            return journal_pb2.StepCompleted(
                response=response.SerializeToString(deterministic=True), answered_by=_other_version(capability, call)
            )
        if once and failure.origin == "System" and failure.name in LEAVES_OPEN:
            return failed_call("Aborted", OUTCOME_UNKNOWN)
        return failure


def is_retried(failure: CapabilityError, policy: RetryPolicy) -> bool:
    """Whether ``policy`` has a call that failed so sent again."""
    return failure.origin == "System" and failure.name in policy.codes


def failed_call(name: str, text: str) -> journal_pb2.StepCompleted:
    """The answer of a call that this host failed or refused, and that nothing would change by asking again."""
    failed = sdk_pb2.CapabilityResponse(error=format_error(CapabilityError("Public", "System", name, text)))
    return journal_pb2.StepCompleted(response=failed.SerializeToString(), attempts=1)


def _other_version(capability: Executable, call: capabilities_pb2.CapabilityRequest) -> str:
    """The id of the capability that answered, where it is another version than was asked for; else nothing."""
    entry = getattr(capability, "entry", None)
    return entry.id if entry is not None and entry.id != call.capabilityId else ""
