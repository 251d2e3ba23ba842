"""What may go through a capability call, and how plugin processes are watched. Every figure with its reason."""

from dataclasses import dataclass

__all__ = ["CallLimits", "Supervision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Bounds of the calls of one plugin.

    ``request_bytes_max`` and ``response_bytes_max``: a confidential run travels as one call with its workflow's config
    and result, and 16 MiB is far above both. ``timeout_s_max``: longer than the longest run, so a call never outlives
    what asked for it by much. ``concurrency_max``: below the threads of a plugin process, so that health checks still
    get through. ``capabilities_max``: an id costs memory and a socket each.
    """

    request_bytes_max: int = 16 * 1024 * 1024
    response_bytes_max: int = 16 * 1024 * 1024
    timeout_s_max: float = 3600.0
    concurrency_max: int = 64
    capabilities_max: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """Times of a plugin process, in seconds.

    ``handshake_s`` is go-plugin's minute. ``health_every_s`` is the reference's figure; ``health_timeout_s`` is longer
    than its 1 s because a busy host is not a broken plugin. Restarts wait ``backoff_min_s`` doubled per crash up to
    ``backoff_max_s``, with jitter; ``crashes_max`` crashes within ``crash_window_s`` are a crash loop.
    A plugin that was given up is tried again every ``given_up_s``, and given up again at its first crash within
    ``crash_window_s``: an operator who corrected a file need not restart the host, and a try a minute costs nothing.
    ``stop_s`` is what a plugin gets to end by itself. ``optional_wait_s`` is how long a host waits, when it starts, for
    plugins that it can live without: one that hangs must not keep the others from serving. ``end_s`` is how long a host
    that stops waits for all plugins of a kind together: each has ``stop_s`` twice, and is killed after that.
    """

    handshake_s: float = 60.0
    initialise_s: float = 60.0
    health_every_s: float = 5.0
    health_timeout_s: float = 5.0
    backoff_min_s: float = 1.0
    backoff_max_s: float = 60.0
    crashes_max: int = 5
    crash_window_s: float = 300.0
    given_up_s: float = 60.0
    stop_s: float = 2.0
    optional_wait_s: float = 10.0
    end_s: float = 6.0
    handshake_bytes_max: int = 4096
