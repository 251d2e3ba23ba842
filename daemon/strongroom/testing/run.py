"""Run one guest against functions of its author, under the limits and in the sandbox of production."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from strongroom.errors import Cancelled, GuestFault, Internal, TimedOut
from strongroom.guest.execution_helper import ExecutionHelper
from strongroom.guest.limits import GuestLimits
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.testing.authors_host import AuthorsHost, CapabilityFunction
from strongroom.testing.limits import DEFAULT, Limits, guest_limits
from strongroom.testing.outcome import GuestOutcome, failure_text
from strongroom.testing.runners import runners

__all__ = ["run_guest", "trial"]

SHORT_REQUESTS: Final = MappingProxyType(
    {"subscribe": (15_000, "limits.subscribe_timeout_ms"), "pre_hook": (10_000, "limits.pre_hook_timeout_ms")}
)
"""Requests that have less time than a run, in milliseconds, and the setting. Source: "cre-guest" section 12."""
DEADLINE: Final = "deadline_ms, limits.run_timeout_ms on a host"
NO_REQUEST: Final = "invalid request: can't be nil"

_NO_CAPABILITIES: Final[Mapping[str, CapabilityFunction]] = MappingProxyType({})
_NO_SECRETS: Final[Mapping[tuple[str, str], str]] = MappingProxyType({})


def run_guest(
    wasm: bytes,
    request: sdk_pb2.ExecuteRequest,
    *,
    capabilities: Mapping[str, CapabilityFunction] = _NO_CAPABILITIES,
    secrets: Mapping[tuple[str, str], str] = _NO_SECRETS,
    execution_id: str = "",
    don_time: Callable[[], int] | None = None,
    node_time: Callable[[], int] | None = None,
    limits: Limits = DEFAULT,
) -> GuestOutcome:
    """Run the guest ``wasm`` (raw, brotli, or base64 of brotli) once with ``request``, and say what it came to.

    ``capabilities`` maps full ids such as ``http-actions@1.0.0-alpha`` to functions. A function takes the request and
    returns the response, or an awaitable of it; it may block, and the calls of a guest run beside each other. One that
    raises is a failed call: ``CapabilityError`` as it says, anything else Private, System, Unknown. A capability that
    is not in the map does not exist, consensus too. In subscribe all calls fail, as on a host.

    ``secrets`` maps (namespace, id) to values; a namespace that is empty means ``main``. ``execution_id`` is the seed
    of DON mode and is empty in subscribe whatever is given. ``don_time`` is asked for each reading of the time in DON
    mode, ``node_time`` for each reading of any other clock, in Unix nanoseconds; without them the guest sees the time
    of this machine. ``limits`` are those of production unless others are given.

    The guest runs in a sandboxed process of its own. The first call of a process starts it; a module is compiled once.
    Any thread may call this.

    Raises ``InvalidModule`` when the module is refused at admission, ``Unavailable`` when this machine cannot start a
    runner, and what is no ``Exception`` when a function raised that; ``TypeError`` for a ``wasm`` or ``secrets`` of
    another type. How a guest fails is in the outcome.
    """
    _check_types(wasm, secrets)
    kind = "" if request is None else request.WhichOneof("request") or ""
    bounds = guest_limits(limits)
    timeout_ms, setting = min((limits.deadline_ms, DEADLINE), SHORT_REQUESTS.get(kind, (limits.deadline_ms, DEADLINE)))
    host = AuthorsHost(
        function_of=capabilities.get,
        secrets=secrets,
        execution_id="" if kind == "subscribe" else execution_id,
        timeout_ms=timeout_ms,
        timeout_setting=setting,
        log_lines_max=limits.log_lines_max,
        don_time=don_time,
        node_time=node_time,
        may_call=kind != "subscribe",
    )
    return trial(wasm, request, host=host, helper=host, limits=bounds)


def _check_types(wasm: object, secrets: Mapping[Any, Any]) -> None:  # Any: what a test without types may give
    """A name of two letters would otherwise be taken for a namespace and an id. No value is shown."""
    if not isinstance(wasm, bytes | bytearray | memoryview):
        raise TypeError(f"wasm is the module itself, as bytes, and not {type(wasm).__name__}: Path(…).read_bytes()")
    for name, value in secrets.items():
        if not (isinstance(name, tuple) and len(name) == 2 and all(isinstance(part, str) for part in name)):
            raise TypeError(f'a secret is named by (namespace, id), such as ("main", "API_KEY"), and not by {name!r}')
        if not isinstance(value, str):
            raise TypeError(f"the value of secret {'/'.join(name)} is text, and not {type(value).__name__}")


def trial(
    wasm: bytes,
    request: sdk_pb2.ExecuteRequest | None,
    *,
    host: AuthorsHost,
    helper: ExecutionHelper,
    limits: GuestLimits,
) -> GuestOutcome:
    """One guest; ``helper`` is ``host``, or what stands before it. Raises as ``run_guest`` does."""
    pool = runners()
    key = pool.admit(bytes(wasm), limits)
    serialized = b"" if request is None else request.SerializeToString(deterministic=True)
    if not serialized:
        return GuestOutcome(None, NO_REQUEST, [], [], 0, 0.0)
    result, error = None, None
    try:
        answer = pool.execute(key, wasm, serialized, helper, limits=limits, watch=host.watch)
        result = sdk_pb2.ExecutionResult.FromString(answer)
    except (GuestFault, TimedOut, Cancelled, Internal) as failure:
        error = failure_text(failure)
    finally:
        host.close()
    if host.raised is not None:
        raise host.raised
    ended = host.finished
    return GuestOutcome(result, error, host.lines, host.calls, ended.memory_bytes, ended.wall_us / 1_000_000)
