"""Every limit an operator can set, with the unit last and the reason beside it.

A limit is here when an operator may have a reason to change it; what protects the code from itself is a constant beside
that code. The defaults are the production values of the guest contract (`cre-guest` section 12) where it has one, so
that what works here works there. KB and MB are decimal, as they are in that contract.
"""

import os
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from strongroom.settings.fields import AT_RELOAD

__all__ = ["LimitSettings", "runners"]

Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Bytes = Annotated[int, Field(strict=True, ge=1, le=2_000_000_000)]
Milliseconds = Annotated[int, Field(strict=True, ge=1, le=86_400_000)]
RUN_TIMEOUT_MS_MAX = 1_728_000_000
"""20 days: a run may wait for days for somebody outside, and the kernel waits for no more than 24 at once."""
Hours = Annotated[int, Field(strict=True, ge=24, le=876_000)]
# Those that are looked at each time that they are needed, so that a new value takes effect at a reload.
LiveCount = Annotated[Count, Field(json_schema_extra=AT_RELOAD)]
LiveBytes = Annotated[Bytes, Field(json_schema_extra=AT_RELOAD)]
LiveMilliseconds = Annotated[Milliseconds, Field(json_schema_extra=AT_RELOAD)]
LiveHours = Annotated[Hours, Field(json_schema_extra=AT_RELOAD)]


def runners() -> int:
    """Processors that this process may use and two more: a guest that waits shortly leaves its processor to others."""
    return len(os.sched_getaffinity(0)) + 2


class LimitSettings(BaseModel):
    """The section ``limits``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # Registration
    binary_compressed_bytes_max: Bytes = Field(
        default=20_000_000,
        description="Size of a brotli upload; it is stored once and read at every start of an enclave.",
    )
    binary_bytes_max: Bytes = Field(
        default=100_000_000,
        description="Size of a module once decompressed; bounds what a small upload can expand to.",
    )
    config_bytes_max: LiveBytes = Field(
        default=50_000,
        description="Size of a workflow's config; it is handed to the guest in every run.",
    )
    workflows_max: LiveCount = Field(
        default=1_000,
        description="Registered workflows of this host; each keeps a binary and a compiled module on disk.",
    )
    subscribe_timeout_ms: LiveMilliseconds = Field(
        default=15_000,
        description="Time in which a workflow must name its triggers; registration waits for it.",
    )
    subscriptions_max: LiveCount = Field(
        default=10,
        description="Triggers of one workflow; each of them holds resources for good.",
    )

    workflows_per_owner_max: LiveCount = Field(
        default=1_000,
        description="Registered workflows of one owner, so that one of several leaves room for the others.",
    )
    trigger_registrations_timeout_ms: LiveMilliseconds = Field(
        default=10_000,
        description="Time in which the triggers of a workflow must take its registrations, all of them together.",
    )
    events_queued_per_workflow_max: Count = Field(
        default=50,
        description="Events of one workflow that wait for execution; beyond it its triggers are made to wait.",
    )

    # Guests
    memory_bytes_max: Bytes = Field(
        default=100_000_000,
        description="Linear memory of one guest; times runners_max it is what guests can take in all.",
    )
    run_timeout_ms: Annotated[int, Field(strict=True, ge=1, le=RUN_TIMEOUT_MS_MAX)] = Field(
        default=300_000,
        description="Time of one run, executing and waiting, across restarts; the time without a host is not counted.",
    )
    response_bytes_max: Bytes = Field(
        default=100_000,
        description="Size of what a guest may return; results are sealed and kept.",
    )
    log_line_bytes_max: Bytes = Field(
        default=1_000,
        description="Size of one line that a guest logs; longer ones are cut.",
    )
    log_lines_max: Count = Field(
        default=1_000,
        description="Lines that a guest may log in one run; further ones are dropped and counted.",
    )
    calls_in_flight_max: Count = Field(
        default=30,
        description="Calls that one run may have open; each holds a thread and a connection of a plugin.",
    )
    capability_request_bytes_max: Bytes = Field(
        default=1_000_000,
        description="Size of one request of a guest: a call, sealed into the journal of its run, or an await.",
    )
    capability_call_timeout_ms: LiveMilliseconds = Field(
        default=180_000,
        description="Time of one capability call; a plugin that hangs holds a run no longer than this.",
    )
    pre_hook_timeout_ms: LiveMilliseconds = Field(
        default=10_000,
        description="Time of a pre-hook; the run waits for it.",
    )
    suspend_after_ms: LiveMilliseconds = Field(
        default=250,
        description="A guest that waits for longer gives its runner back, and is run again to where it was.",
    )
    steps_max: LiveCount = Field(
        default=10_000,
        description="Steps of one run, and its suspensions; each is two events of its journal, which it reads again.",
    )
    journal_bytes_max: LiveBytes = Field(
        default=64_000_000,
        description="Size of what one run asks, is answered and logs; it is kept, and read again when the run goes on.",
    )
    hooks_per_run_max: LiveCount = Field(
        default=100,
        description="Hooks that one run may make; each is a row, and a token that is taken until the run ends.",
    )
    hook_metadata_bytes_max: LiveBytes = Field(
        default=16_000,
        description="Size of what a run keeps with a hook; it is sealed into its journal.",
    )
    hook_payload_bytes_max: LiveBytes = Field(
        default=256_000,
        description="Size of what somebody outside leaves at a hook at once; it is sealed twice, as it came and as the"
        " answer of a step.",
    )
    hook_payloads_unread_max: LiveCount = Field(
        default=1_000,
        description="Payloads of one hook that its run has not taken; further ones are refused until it takes some.",
    )
    hook_bytes_per_run_max: LiveBytes = Field(
        default=16_000_000,
        description="Size of all payloads that are left at hooks of one run; its journal is read again whenever it goes"
        " on.",
    )
    stream_chunk_bytes_max: Annotated[int, Field(strict=True, ge=1, le=262_144)] = Field(
        default=262_144,
        json_schema_extra=AT_RELOAD,
        description="Size of one chunk of a stream; it is one sealed value, which a reader holds in memory whole.",
    )
    stream_chunks_per_run_max: LiveCount = Field(
        default=100_000,
        description="Chunks of all streams of one run; each is a row, and a message under the key of its run.",
    )
    stream_bytes_per_run_max: LiveBytes = Field(
        default=256_000_000,
        description="Size of all streams of one run together; they are kept as long as the run.",
    )
    streams_per_run_max: LiveCount = Field(
        default=1_000,
        description="Streams of one run; whoever lists them reads something of each.",
    )
    time_reads_max: Count = Field(
        default=10_000,
        description="Questions for the agreed time in one run; each is an event of its journal.",
    )
    http_action_calls_max: Count = Field(
        default=5,
        description="Calls of http-actions in one run; each may take ten seconds of somebody else's server.",
    )
    confidential_http_calls_max: Count = Field(
        default=5,
        description="Calls of confidential-http in one run, for the same reason as http-actions.",
    )
    consensus_calls_max: Count = Field(
        default=20,
        description="Calls of consensus in one run; each mode switch of a guest is one.",
    )
    secrets_fetches_max: Count = Field(
        default=5,
        description="Secrets fetches of one run; one fetch may name several secrets.",
    )
    secrets_fetches_in_flight_max: Count = Field(
        default=5,
        description="Secrets fetches of one run that are open at once; further ones wait.",
    )
    secrets_bytes_max: Bytes = Field(
        default=27_000,
        description="Size of all secret values that one run reads, together.",
    )
    consensus_observation_bytes_max: Bytes = Field(
        default=100_000,
        description="Size of one observation that a guest hands to consensus.",
    )
    cancel_grace_ms: LiveMilliseconds = Field(
        default=5_000,
        description="Time that a cancelled run has to end by itself; what was sent is waited for as long.",
    )
    table_elements_max: Count = Field(
        default=1_000_000,
        description="Entries of a guest's function table; each takes 8 bytes.",
    )
    poll_subscriptions_max: Count = Field(
        default=128,
        description="Subscriptions of one poll_oneoff; the host works once through each of them.",
    )
    metric_bytes_max: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = Field(
        default=0,
        description="Size of one metric that a guest emits, a line of its run's log; 0 switches guests' metrics off.",
    )
    metric_name_bytes_max: Count = Field(
        default=128,
        description="Size of a metric's name; it stands in the line of each metric.",
    )
    metric_labels_max: Count = Field(
        default=10,
        description="Labels of one metric, all of which stand in its line.",
    )
    metric_label_bytes_max: Count = Field(
        default=256,
        description="Size of the value of a metric's label.",
    )
    compile_timeout_ms: Milliseconds = Field(
        default=300_000,
        description="Time to compile a module at registration; a 16 MB Go guest takes some ten seconds on one core.",
    )
    runners_max: Count = Field(
        default_factory=runners,
        description=(
            "Processes that execute guests. Of more than two, the last free one is kept for a workflow that has none."
        ),
    )

    # The host
    runs_queued_max: LiveCount = Field(
        default=1_000,
        description="Accepted runs that wait for a runner; beyond it a start is refused instead of being late.",
    )
    runs_waiting_max: LiveCount = Field(
        default=100_000,
        description="Runs that wait for something outside; each is some rows of the database and no process.",
    )
    run_retention_hours: LiveHours = Field(
        default=720,
        description="How long a run is kept after its end, with its input, steps and result; at least a day.",
    )
    event_memory_hours: LiveHours = Field(
        default=24,
        description="How long an event is known to have been handled after its run is gone; at least a day.",
    )
    payload_bytes_max: Bytes = Field(
        default=1_000_000,
        description="Size of what a trigger carries into a run; it is sealed and kept with the run.",
    )
    message_bytes_max: Bytes = Field(
        default=110_000_000,
        description="Size of one API message; the largest is a registration of an uncompressed module.",
    )
    messages_bytes_max: Bytes = Field(
        default=512_000_000,
        description="Size of all API messages whose calls go on, together; no caller has more than three quarters.",
    )
    drain_timeout_ms: LiveMilliseconds = Field(
        default=60_000,
        description="Time that a stop gives to running work; what is unfinished goes on after the next start. Whatever"
        " hangs, the host ends within 25 s more, and its log says what was open.",
    )
    plugin_drain_timeout_ms: LiveMilliseconds = Field(
        default=30_000,
        description="Time that calls of a plugin have to end when it is replaced at a reload; later calls wait for the"
        " new one meanwhile.",
    )
