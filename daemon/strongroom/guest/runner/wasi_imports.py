"""WASI preview1 without a system behind it: arguments, clocks, entropy, sleep, and the end of the guest.

A pointer outside memory is EFAULT, never a trap. Source: contracts/cre-guest.md section 10.
"""

import struct
import time
from typing import Final

from strongroom.guest.runner.execution import Execution, GuestExit
from strongroom.pb.strongroom.runner.v1 import runner_pb2

__all__ = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "poll_oneoff",
    "proc_exit",
    "proc_raise",
    "random_get",
    "sched_yield",
]

SUCCESS: Final = 0
EBADF: Final = 8
EINVAL: Final = 28
ENOTSUP: Final = 58

REALTIME: Final = 0
MONOTONIC: Final = 1

_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")
_U64_MAX: Final = (1 << 64) - 1
_SUBSCRIPTION: Final = struct.Struct("<QB7xI4xQQH6x")
_EVENT: Final = struct.Struct("<QHB21x")
_TIMEOUT_NS_MAX: Final = (1 << 63) - 1
_RANDOM_CHUNK: Final = 1 << 20
_SHORT_SLEEP_NS: Final = 2_000_000


def args_sizes_get(run: Execution, count: int, size: int) -> int:
    """Two arguments: ``wasi`` and the request."""
    run.memory.check(size, 4)
    run.memory.write(_U32.pack(len(run.arguments)), count)
    run.memory.write(_U32.pack(sum(map(len, run.arguments))), size)
    return SUCCESS


def args_get(run: Execution, pointers: int, buffer: int) -> int:
    """Write the arguments, each with its NUL, and where each starts."""
    starts, at = [], buffer
    for argument in run.arguments:
        starts.append(at)
        at += len(argument)
    run.memory.check(pointers, 4 * len(starts))
    run.memory.write(b"".join(run.arguments), buffer)
    run.memory.write(b"".join(map(_U32.pack, starts)), pointers)
    return SUCCESS


def environ_sizes_get(run: Execution, count: int, size: int) -> int:
    """No environment."""
    run.memory.check(size, 4)
    run.memory.write(bytes(4), count)
    run.memory.write(bytes(4), size)
    return SUCCESS


def environ_get(_run: Execution, _pointers: int, _buffer: int) -> int:
    """Nothing to write."""
    return SUCCESS


def clock_time_get(run: Execution, clock: int, _precision: int, out: int) -> int:
    """Node time. The monotonic clock starts at 1, because runtimes take 0 for "not set"."""
    if clock not in (REALTIME, MONOTONIC):
        return EINVAL
    run.memory.check(out, 8)
    moment = run.node_now_ns()
    if moment is None:
        return EINVAL
    if clock == MONOTONIC:
        if run.first_node_ns is None:
            run.first_node_ns = moment
        moment = max(moment - run.first_node_ns, 0) + 1
    run.memory.write(_U64.pack(moment & _U64_MAX), out)
    return SUCCESS


def clock_res_get(run: Execution, clock: int, out: int) -> int:
    """One nanosecond."""
    if clock not in (REALTIME, MONOTONIC):
        return EINVAL
    run.memory.write(_U64.pack(1), out)
    return SUCCESS


def random_get(run: Execution, pointer: int, size: int) -> int:
    """Bytes that look random and are the same in a replay."""
    if size < 0:
        return EINVAL
    run.memory.check(pointer, size)
    for start in range(0, size, _RANDOM_CHUNK):
        run.memory.write(run.entropy.take(min(_RANDOM_CHUNK, size - start)), pointer + start)
        if run.is_over():
            break
    return SUCCESS


def sched_yield(_run: Execution) -> int:
    """There is nothing to yield to."""
    return SUCCESS


def proc_exit(_run: Execution, code: int) -> None:
    """End the guest."""
    raise GuestExit(code)


def proc_raise(_run: Execution, _signal: int) -> int:
    """There are no signals."""
    return ENOTSUP


def poll_oneoff(run: Execution, subscriptions: int, events: int, count: int, out: int) -> int:
    """Sleep once for the largest relative timeout, then report on every subscription."""
    if not 0 < count <= run.limits.poll_subscriptions_max:
        return EINVAL
    data = run.memory.read(subscriptions, count * _SUBSCRIPTION.size)
    run.memory.check(events, count * _EVENT.size)
    run.memory.check(out, 4)
    sleep_ns, reports = 0, []
    for userdata, tag, _clock, timeout, _precision, flags in _SUBSCRIPTION.iter_unpack(data):
        errno = SUCCESS
        if tag == 0 and flags == 0:
            sleep_ns = max(sleep_ns, timeout)
        elif tag == 0:
            errno = ENOTSUP
        else:
            errno = EBADF if tag in (1, 2) else EINVAL
        reports.append(_EVENT.pack(userdata, errno, tag))
    _sleep(run, sleep_ns)
    run.memory.write(b"".join(reports), events)
    run.memory.write(_U32.pack(count), out)
    return SUCCESS


def _sleep(run: Execution, sleep_ns: int) -> None:
    """Sleep, but not past the end of the run, and not again what lies behind the guest.

    Schedulers of guests sleep microseconds; waiting for an event would round them up.
    """
    if not sleep_ns:
        return
    if run.sleeps_done >= run.sleeps_recorded:
        _sleep_really(run, sleep_ns)
    run.sleeps_done += 1
    if run.clock:
        run.clock.sleep(sleep_ns)


def _sleep_really(run: Execution, sleep_ns: int) -> None:
    if run.is_over():
        return
    left_ns = max(int((run.deadline_s - time.monotonic()) * 1e9), 0)
    if sleep_ns > _TIMEOUT_NS_MAX:
        sleep_ns = left_ns
    if run.suspend_after_s and sleep_ns > run.suspend_after_s * 1e9:
        wakes_unix_ns = min(time.time_ns() + sleep_ns, _TIMEOUT_NS_MAX)
        run.suspend(runner_pb2.Waits(sleep_until_unix_ns=wakes_unix_ns))
    if sleep_ns < _SHORT_SLEEP_NS:
        time.sleep(min(sleep_ns, left_ns) / 1e9)
    else:
        run.host.wait(run, lambda: False, min(time.monotonic() + sleep_ns / 1e9, run.deadline_s))
