"""The limits that a guest or a workflow has on this host, by the names of their settings."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Final

from strongroom.engine.limits import EngineLimits
from strongroom.guest.limits import GuestLimits
from strongroom.pb.strongroom.v1 import workflow_pb2
from strongroom.settings.limits import LimitSettings

__all__ = ["limits_in_force"]

HOST_ONLY: Final = frozenset(
    {
        "workflows_max",
        "workflows_per_owner_max",
        "runs_queued_max",
        "runs_waiting_max",
        "run_retention_hours",
        "event_memory_hours",
        "runners_max",
    }
)
"""What the host has for itself: a guest that is simulated alone meets none of them."""
OTHER_NAMES: Final = frozenset({"run_timeout_ms"})
"""Settings that guests know by another name."""


def limits_in_force(settings: LimitSettings) -> Iterator[workflow_pb2.Limit]:
    """Every such limit in the order of the settings, with its reason."""
    of_guests = {field.name for kind in (GuestLimits, EngineLimits) for field in fields(kind)}
    wanted = (of_guests | OTHER_NAMES) - HOST_ONLY
    for name, field in type(settings).model_fields.items():
        if name in wanted:
            yield workflow_pb2.Limit(
                name=f"limits.{name}", value=getattr(settings, name), reason=field.description or ""
            )
