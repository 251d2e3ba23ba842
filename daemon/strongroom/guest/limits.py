"""Every limit of a guest, with its reason. The defaults are what production deployments of the contract use.

Source: contracts/cre-guest.md section 12. KB and MB are decimal there and here.
"""

from dataclasses import dataclass
from typing import Final

__all__ = [
    "CALLS_MAX",
    "ERROR_CHARS_MAX",
    "LOG_LINE_CUT",
    "METRICS_MAX",
    "REFUSALS_MAX",
    "SECRETS_PER_FETCH_MAX",
    "GuestLimits",
]

CALLS_MAX: Final = 1_000_000
"""Calls and fetches of one execution: the host remembers the id of each. No setting allows more steps."""
ERROR_CHARS_MAX: Final = 4_000
"""A trap carries a backtrace as deep as the guest's stack; this much of it says where."""
LOG_LINE_CUT: Final = " ...(truncated)"
"""What stands at the end of a line that was cut."""
METRICS_MAX: Final = 1_000
"""Metrics of one execution, each of which is a line of its log; further ones are refused."""
REFUSALS_MAX: Final = 1_000
"""How often a runner asks its host for the time after it was refused; then it refuses the guest by itself."""
SECRETS_PER_FETCH_MAX: Final = 100
"""Secrets that one fetch may name: an empty name takes two bytes, and some hundred where it is looked up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestLimits:
    """The limits of one guest. Zero is never "unlimited": it switches metrics or grace off, and is refused else."""

    memory_bytes_max: int = 100_000_000
    """Linear memory: a host runs as many guests as it has runners, and each may take this much."""
    table_elements_max: int = 1_000_000
    """Entries of the function table: each takes 8 bytes, and a Go guest of 16 MB has some 20 000."""
    timeout_ms: int = 300_000
    """Wall time of a run whose host did not say; a guest that loops ends here."""
    cancel_grace_ms: int = 5_000
    """Time that a cancelled guest has to end by itself; 0 ends it at once."""
    response_bytes_max: int = 100_000
    """Size of a result: it is sealed and stored with the run."""
    log_line_bytes_max: int = 1_000
    """Size of a log line: longer ones are cut and marked."""
    log_lines_max: int = 1_000
    """Log lines for each mode: a guest that logs in a loop must not fill the journal."""
    calls_in_flight_max: int = 30
    """Calls open at once: each holds a thread of the host and a connection of a plugin."""
    capability_request_bytes_max: int = 1_000_000
    """Size of one request of a guest: a call is sealed into the journal of its run, an await becomes a list of ids."""
    poll_subscriptions_max: int = 128
    """Subscriptions of one ``poll_oneoff``: the host works once through each of them."""
    metric_bytes_max: int = 0
    """Size of one user metric; 0 switches them off, as upstream does by default."""
    metric_name_bytes_max: int = 128
    """Size of a metric's name."""
    metric_labels_max: int = 10
    """Labels of one metric."""
    metric_label_bytes_max: int = 256
    """Size of a label's value."""
    binary_compressed_bytes_max: int = 20_000_000
    """Size of a brotli upload: it is stored once and read at every start of an enclave."""
    binary_bytes_max: int = 100_000_000
    """Size of a module once decompressed: bounds what a small upload can expand to."""
    compile_timeout_ms: int = 300_000
    """Time to compile a module: a 16 MB Go guest takes some ten seconds on one core."""
    native_bytes_max: int = 1_000_000_000
    """Size of compiled code: native code is a few times the size of its module."""

    def __post_init__(self) -> None:
        may_be_zero = {"metric_bytes_max", "cancel_grace_ms"}
        for name in self.__slots__:
            if getattr(self, name) < (0 if name in may_be_zero else 1):
                raise ValueError(f"{name} must be at least 1")
