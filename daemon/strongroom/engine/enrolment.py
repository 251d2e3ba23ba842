"""One workflow at the desk of triggers, and what the desk needs of the registry."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from strongroom.engine.specs import Spec
from strongroom.engine.subscription import Subscription, SubscriptionReport
from strongroom.engine.subscription_states import SubscriptionState
from strongroom.errors import CapabilityError
from strongroom.guest.ids import trigger_registration_id
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.registry.slot import Entry
from strongroom.registry.triggers import Subscriber

__all__ = ["Enrolment", "Trigger", "Triggers", "degraded", "is_final", "refusal", "trigger_id"]

FINAL_NAMES: Final = frozenset({"InvalidArgument", "LimitExceeded", "OutOfRange", "PermissionDenied", "Unimplemented"})
"""With the origin User: the trigger understood the subscription and will say the same of it for ever."""


class Trigger(Protocol):
    """A handle on a trigger capability, as the registry gives it."""

    @property
    def entry(self) -> Entry:
        """Whether its plugin is there."""

    def register(
        self,
        request: capabilities_pb2.TriggerRegistrationRequest,
        subscriber: Subscriber,
        *,
        timeout_s: float,
    ) -> None:
        """Start delivering. Raises ``CapabilityError``."""

    def pause(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering; the trigger keeps what it has."""

    def unregister(self, request: capabilities_pb2.TriggerRegistrationRequest) -> None:
        """Stop delivering for good; the trigger forgets what it kept."""

    def ack(self, trigger_id: str, event_id: str, method: str) -> None:
        """Confirm one event. Raises ``CapabilityError``."""


class Triggers(Protocol):
    """The registry, as the desk needs it."""

    def get_trigger(self, capability_id: str) -> Trigger:
        """Raises ``NotFound`` or ``InvalidInput``."""


@dataclass(eq=False)
class Enrolment:
    """One workflow at the desk. ``lock`` is held while its registrations change."""

    spec: Spec
    lock: threading.Lock = field(default_factory=threading.Lock)
    subscriptions: list[Subscription] = field(default_factory=list)
    wanted: bool = False
    attempts: int = 0
    epoch: int = 0


def degraded(enrolments: Sequence[Enrolment]) -> list[tuple[str, SubscriptionReport]]:
    """Subscriptions of ``enrolments`` that should hear events and do not, each with the name of its workflow."""
    held = [(each.spec.row.workflow_name, one.report()) for each in enrolments for one in list(each.subscriptions)]
    return [(name, report) for name, report in held if report.state is SubscriptionState.DEGRADED]


def trigger_id(spec: Spec, index: int) -> str:
    """As `cre-guest` section 13.3 writes it."""
    return trigger_registration_id(spec.workflow_id, index)


def is_final(error: CapabilityError) -> bool:
    """Whether trying again is of no use until somebody changes something."""
    return error.origin == "User" and error.name in FINAL_NAMES


def refusal(error: CapabilityError) -> str:
    """What people read of it: the trigger's own words, and whether the host tries again by itself."""
    tail = "; it is not tried again until the workflow is activated again" if is_final(error) else ""
    return f"{error.message or error.name}{tail}"
