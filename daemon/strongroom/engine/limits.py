"""The engine's own numbers, as it is told them."""

from dataclasses import dataclass, field

from strongroom.engine.owner_limits import OwnersLimits
from strongroom.guest.limits import GuestLimits

__all__ = ["EngineLimits"]


@dataclass(slots=True, kw_only=True)
class EngineLimits:
    """Limits of the engine; each is the setting ``limits.<name>``, where its reason stands.

    A reload changes some of them where they are, so whoever needs one looks here each time (``settings/limits.py`` says
    which).
    """

    guest: GuestLimits = field(default_factory=GuestLimits)
    owners: OwnersLimits = field(default_factory=OwnersLimits)
    config_bytes_max: int = 50_000
    payload_bytes_max: int = 1_000_000
    response_bytes_max: int = 100_000
    subscriptions_max: int = 10
    subscribe_timeout_ms: int = 15_000
    run_timeout_ms: int = 300_000
    capability_call_timeout_ms: int = 180_000
    runs_in_flight_max: int = 32
    runners_max: int = 4
    runs_queued_max: int = 1_000
    workflows_max: int = 1_000
    workflows_per_owner_max: int = 1_000
    trigger_registrations_timeout_ms: int = 10_000
    pre_hook_timeout_ms: int = 10_000
    events_queued_per_workflow_max: int = 50
    suspend_after_ms: int = 250
    runs_waiting_max: int = 100_000
    steps_max: int = 10_000
    journal_bytes_max: int = 64_000_000
    hooks_per_run_max: int = 100
    hook_metadata_bytes_max: int = 16_000
    hook_payload_bytes_max: int = 256_000
    hook_payloads_unread_max: int = 1_000
    hook_bytes_per_run_max: int = 16_000_000
    stream_chunk_bytes_max: int = 262_144
    stream_chunks_per_run_max: int = 100_000
    stream_bytes_per_run_max: int = 256_000_000
    streams_per_run_max: int = 1_000
    time_reads_max: int = 10_000
    http_action_calls_max: int = 5
    confidential_http_calls_max: int = 5
    consensus_calls_max: int = 20
    secrets_fetches_max: int = 5
    secrets_bytes_max: int = 27_000
    secrets_fetches_in_flight_max: int = 5
    consensus_observation_bytes_max: int = 100_000
    cancel_grace_ms: int = 5_000
    run_retention_hours: int = 720
    event_memory_hours: int = 24
