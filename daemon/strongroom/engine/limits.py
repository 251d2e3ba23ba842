"""The engine's own numbers, as it is told them."""

from dataclasses import dataclass, field

from strongroom.guest.limits import GuestLimits

__all__ = ["EngineLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """Limits of the engine; each is the setting ``limits.<name>``, where its reason stands."""

    guest: GuestLimits = field(default_factory=GuestLimits)
    config_bytes_max: int = 50_000
    payload_bytes_max: int = 1_000_000
    response_bytes_max: int = 100_000
    subscriptions_max: int = 10
    subscribe_timeout_ms: int = 15_000
    run_timeout_ms: int = 300_000
    capability_call_timeout_ms: int = 180_000
    runs_in_flight_max: int = 32
    runs_queued_max: int = 1_000
    workflows_max: int = 1_000
