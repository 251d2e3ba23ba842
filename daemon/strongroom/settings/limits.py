"""Every limit an operator can set, with the unit last and the reason beside it.

A limit is here when an operator may have a reason to change it; what protects the code from itself is a constant beside
that code. The defaults are the production values of the guest contract (`cre-guest` section 12) where it has one, so
that what works here works there. KB and MB are decimal, as they are in that contract.
"""

import os
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LimitSettings", "processors"]

Count = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
Bytes = Annotated[int, Field(strict=True, ge=1, le=2_000_000_000)]
Milliseconds = Annotated[int, Field(strict=True, ge=1, le=86_400_000)]


def processors() -> int:
    """Processors that this process may use, at least 2: a guest that computes must not keep another one waiting."""
    return max(2, len(os.sched_getaffinity(0)))


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
    config_bytes_max: Bytes = Field(
        default=50_000,
        description="Size of a workflow's config; it is handed to the guest in every run.",
    )
    workflows_max: Count = Field(
        default=1_000,
        description="Registered workflows of this host; each keeps a binary and a compiled module on disk.",
    )
    subscribe_timeout_ms: Milliseconds = Field(
        default=15_000,
        description="Time in which a workflow must name its triggers; registration waits for it.",
    )
    subscriptions_max: Count = Field(
        default=10,
        description="Triggers of one workflow; each of them holds resources for good.",
    )

    # Guests
    memory_bytes_max: Bytes = Field(
        default=100_000_000,
        description="Linear memory of one guest; times runners_max it is what guests can take in all.",
    )
    run_timeout_ms: Milliseconds = Field(
        default=300_000,
        description="Time of one run from its start; a guest that loops ends here.",
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
    capability_call_timeout_ms: Milliseconds = Field(
        default=180_000,
        description="Time of one capability call; a plugin that hangs holds a run no longer than this.",
    )
    runners_max: Count = Field(
        default_factory=processors,
        description="Processes that execute guests; as many as there are processors, at least 2.",
    )

    # The host
    runs_queued_max: Count = Field(
        default=1_000,
        description="Accepted runs that wait for a runner; beyond it a start is refused instead of being late.",
    )
    payload_bytes_max: Bytes = Field(
        default=1_000_000,
        description="Size of what a trigger carries into a run; it is sealed and kept with the run.",
    )
    message_bytes_max: Bytes = Field(
        default=110_000_000,
        description="Size of one API message; the largest is a registration of an uncompressed module.",
    )
    drain_timeout_ms: Milliseconds = Field(
        default=60_000,
        description="Time that a stop gives to running work; what is unfinished goes on after the next start.",
    )
