"""The host functions of module ``env``.

A failure is a negative number and its text in the guest's buffer, never zero and never positive. When not even one byte
of the text can be delivered, the run ends. Source: contracts/cre-guest.md sections 5 to 9.
"""

from functools import partial
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.guest.ids import don_seed
from strongroom.guest.limits import CALLS_MAX, LOG_LINE_CUT, METRICS_MAX, SECRETS_PER_FETCH_MAX
from strongroom.guest.runner.calls import Kind
from strongroom.guest.runner.execution import MODE_DON, MODE_NODE, Execution, HostError
from strongroom.guest.runner.memory import MemoryAccessError
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.pb.workflows.v2 import workflow_user_metric_pb2

__all__ = ["await_capabilities", "await_secrets", "call_capability", "emit_metric", "get_secrets", "log", "now"]

EFAULT: Final = 21
EINVAL: Final = 28


def version_marker(_run: Execution) -> None:
    """A marker says which ABI the guest speaks; called, it does nothing."""


def send_response(run: Execution, pointer: int, size: int) -> int:
    """Store a serialized ``ExecutionResult``; the last one wins. Once the run is over, none counts any more."""
    if run.is_over():
        return EFAULT
    try:
        run.memory.check(pointer, size)
        if size > run.limits.response_bytes_max:
            run.oversize_response = size
            return EFAULT
        data = run.memory.read(pointer, size)
        sdk_pb2.ExecutionResult.FromString(data)
    except (MemoryAccessError, DecodeError):
        return EFAULT
    run.response = data
    run.oversize_response = 0
    return 0


def call_capability_v1(run: Execution, pointer: int, size: int) -> int:
    """Start a capability call; error text goes over the request."""
    return call_capability(run, pointer, size, pointer, size)


def call_capability(run: Execution, pointer: int, size: int, out: int, out_max: int) -> int:
    """Start a capability call: 0, or the negative size of an error text."""
    try:
        run.memory.check(pointer, size)
        if size > run.limits.capability_request_bytes_max:
            return _fail(run, f"error calling callCapAsync: {_too_large(run, size)}", out, out_max)
        request = sdk_pb2.CapabilityRequest.FromString(run.memory.read(pointer, size))
    except MemoryAccessError as fault:
        return _fail(run, f"error calling wasmRead: {fault}", out, out_max)
    except DecodeError as error:
        return _fail(run, f"error calling proto unmarshal: {error}", out, out_max)
    refusal = _take_slot(run, Kind.CAPABILITY, request.callback_id)
    if refusal:
        return _fail(run, f"error calling callCapAsync: {refusal}", out, out_max)
    run.host.start_capability(run, request)
    return 0


def get_secrets(run: Execution, pointer: int, size: int, out: int, out_max: int) -> int:
    """Start a secrets fetch: 0, or the negative size of an error text."""
    try:
        run.memory.check(pointer, size)
        if size > run.limits.capability_request_bytes_max:
            return _fail(run, f"error calling getSecretsAsync: {_too_large(run, size)}", out, out_max)
        request = sdk_pb2.GetSecretsRequest.FromString(run.memory.read(pointer, size))
    except MemoryAccessError as fault:
        return _fail(run, f"error calling wasmRead: {fault}", out, out_max)
    except DecodeError as error:
        return _fail(run, f"error calling proto unmarshal: {error}", out, out_max)
    if len(request.requests) > SECRETS_PER_FETCH_MAX:
        refusal = f"a fetch of {len(request.requests)} secrets is larger than the limit of {SECRETS_PER_FETCH_MAX}"
        return _fail(run, f"error calling getSecretsAsync: {refusal}", out, out_max)
    refusal = _take_slot(run, Kind.SECRETS, request.callback_id)
    if refusal:
        return _fail(run, f"error calling getSecretsAsync: {refusal}", out, out_max)
    run.host.start_secrets(run, request)
    return 0


def await_capabilities(run: Execution, pointer: int, size: int, out: int, out_max: int) -> int:
    """Wait for capability calls: size of the ``AwaitCapabilitiesResponse``, or the negative size of an error text."""
    try:
        ids = list(sdk_pb2.AwaitCapabilitiesRequest.FromString(_awaited(run, pointer, size)).ids)
        raw = _await(run, Kind.CAPABILITY, ids, out_max)
        response = sdk_pb2.AwaitCapabilitiesResponse()
        for call_id, data in zip(ids, raw, strict=True):
            response.responses[call_id].MergeFromString(data)
        return _deliver(run, Kind.CAPABILITY, ids, response.SerializeToString(), out, out_max)
    except (_AwaitError, DecodeError) as failure:
        return _fail(run, str(failure), out, out_max)
    except MemoryAccessError as fault:
        return _fail(run, f"error reading from wasm {fault}", out, out_max)


def await_secrets(run: Execution, pointer: int, size: int, out: int, out_max: int) -> int:
    """Wait for secrets fetches: size of the ``AwaitSecretsResponse``, or the negative size of an error text."""
    try:
        ids = list(sdk_pb2.AwaitSecretsRequest.FromString(_awaited(run, pointer, size)).ids)
        raw = _await(run, Kind.SECRETS, ids, out_max)
        response = sdk_pb2.AwaitSecretsResponse()
        for call_id, data in zip(ids, raw, strict=True):
            response.responses[call_id].MergeFromString(data)
        return _deliver(run, Kind.SECRETS, ids, response.SerializeToString(), out, out_max)
    except (_AwaitError, DecodeError) as failure:
        return _fail(run, str(failure), out, out_max)
    except MemoryAccessError as fault:
        return _fail(run, f"error reading from wasm {fault}", out, out_max)


def log(run: Execution, pointer: int, size: int) -> None:
    """Take a log line: cut at its limit and marked, counted for each mode, dropped in mode 0."""
    if run.mode not in (MODE_DON, MODE_NODE):
        return
    count = run.log_lines.get(run.mode, 0)
    run.log_lines[run.mode] = count + 1
    lines_max, line_max = run.limits.log_lines_max, run.limits.log_line_bytes_max
    if count >= lines_max:
        if count == lines_max:
            warning = f"further log lines are dropped, the limit is {lines_max} (limits.log_lines_max)"
            run.host.log(run.mode, f"strongroom: {warning}")
        return
    try:
        run.memory.check(pointer, size)
        data = run.memory.read(pointer, min(size, line_max))
    except MemoryAccessError as fault:
        run.host.log(run.mode, f"strongroom: a log line could not be read: {fault}")
        return
    if size > line_max:
        run.host.log(run.mode, data.decode(errors="ignore") + LOG_LINE_CUT)
    else:
        run.host.log(run.mode, data.decode(errors="replace"))


def emit_metric(run: Execution, pointer: int, size: int) -> int:
    """Take a metric: 0, or -1 when metrics are off or this one is not within its limits."""
    limits = run.limits
    if not 0 < size <= limits.metric_bytes_max or run.metrics >= METRICS_MAX:
        return -1
    try:
        data = run.memory.read(pointer, size)
        metric = workflow_user_metric_pb2.WorkflowUserMetric.FromString(data)
    except (MemoryAccessError, DecodeError):
        return -1
    if not 0 < len(metric.name.encode()) <= limits.metric_name_bytes_max:
        return -1
    if len(metric.labels) > limits.metric_labels_max:
        return -1
    if any(len(value.encode()) > limits.metric_label_bytes_max for value in metric.labels.values()):
        return -1
    run.metrics += 1
    run.host.metric(data)
    return 0


def switch_modes(run: Execution, mode: int) -> None:
    """Set the mode of the run."""
    run.mode = mode


def random_seed(run: Execution, mode: int) -> int:
    """The seed of a mode: from the execution id in DON mode, the run's own in NODE mode."""
    if mode == MODE_DON:
        return don_seed(run.execution_id)
    return run.node_seed if mode == MODE_NODE else -1


def now(run: Execution, pointer: int) -> int:
    """Write the time as 8 bytes, little-endian nanoseconds: agreed in DON mode, of this node otherwise."""
    try:
        run.memory.check(pointer, 8)
    except MemoryAccessError:
        return EINVAL
    moment = run.host.now_ns(run, MODE_DON) if run.mode == MODE_DON else run.node_now_ns()
    if moment is None:
        return EINVAL
    if run.clock:
        run.clock.reach(moment)
    run.memory.write((moment & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little"), pointer)
    return 0


class _AwaitError(Exception):
    """An await that cannot succeed. Nothing was consumed."""


def _too_large(run: Execution, size: int) -> str:
    limit = run.limits.capability_request_bytes_max
    return (
        f"the request of {size} bytes is larger than the limit of {limit} bytes (limits.capability_request_bytes_max)"
    )


def _take_slot(run: Execution, kind: Kind, call_id: int) -> str:
    """Open the call and return nothing, or return why not. Blocks while all slots are taken."""
    if run.calls.is_used(kind, call_id):
        return "duplicate callback id not allowed"
    if run.calls.count() >= CALLS_MAX:
        return f"the guest has made {CALLS_MAX} calls, more than which it may not"
    if not run.wait(run.calls.has_slot, until_s=run.patience_s(), waits=lambda: _waits_for_slot(run)):
        return run.over_reason()
    run.calls.open(kind, call_id)
    return ""


def _waits_for_slot(run: Execution) -> runner_pb2.Waits:
    pending = run.calls.pending
    return runner_pb2.Waits(slot=True, capabilities=pending(Kind.CAPABILITY), secrets=pending(Kind.SECRETS))


def _waits_for(run: Execution, kind: Kind, ids: list[int]) -> runner_pb2.Waits:
    left = [call_id for call_id in ids if run.calls.answer(kind, call_id) is None]
    return runner_pb2.Waits(capabilities=left) if kind is Kind.CAPABILITY else runner_pb2.Waits(secrets=left)


def _awaited(run: Execution, pointer: int, size: int) -> bytes:
    """The bytes of a request that awaits. An id takes one byte there, and some twenty once it is parsed."""
    run.memory.check(pointer, size)
    if size > run.limits.capability_request_bytes_max:
        raise _AwaitError(f"error reading from wasm {_too_large(run, size)}")
    return run.memory.read(pointer, size)


def _await(run: Execution, kind: Kind, ids: list[int], out_max: int) -> list[bytes]:
    missing = run.calls.missing(kind, ids)
    if missing is not None:
        raise _AwaitError(f"failed to get call from store : {missing}")
    answers = []
    until_s = run.patience_s()
    for call_id in ids:
        there = partial(run.calls.has_answer, kind, call_id)
        if not run.wait(there, until_s=until_s, waits=lambda: _waits_for(run, kind, ids)):
            raise _AwaitError(f"failed to wait for capability response {call_id} : {run.over_reason()}")
        answer = run.calls.answer(kind, call_id)
        if answer is None or answer.error:
            reason = answer.error if answer else run.over_reason()
            raise _AwaitError(f"failed to get secrets for call {call_id}: {reason}")
        if answer.dropped:
            # Whether there was room depends on what came first, which a replay does not repeat: no guest may see it.
            run.host_fault = f"the answers that the guest has not awaited left no room for that of call {call_id}"
            raise HostError(run.host_fault)
        answers.append(answer)
    # Answers that cannot fit are not put together first: together they may be larger than the runner.
    if any(answer.oversize for answer in answers) or sum(len(answer.response) for answer in answers) > max(out_max, 0):
        raise _AwaitError("response buffer too small")
    return [answer.response for answer in answers]


def _deliver(run: Execution, kind: Kind, ids: list[int], data: bytes, out: int, out_max: int) -> int:
    try:
        run.memory.write_answer(data, out, out_max)
    except MemoryAccessError as fault:
        raise _AwaitError(str(fault)) from None
    answered = run.calls.take(kind, ids)
    if run.clock:
        run.clock.reach(answered)
    return len(data)


def _fail(run: Execution, text: str, out: int, out_max: int) -> int:
    """Deliver ``text`` cut to the buffer and to the end of memory; its size, negative."""
    room = min(out_max, run.memory.size() - out) if out >= 0 else 0
    if room <= 0 or not text:
        raise HostError(f"the guest gave no memory for an error text: {text}")
    # Cut between characters: a guest may take text for granted. What it gets is never nothing, which is no failure.
    data = text.encode()[:room].decode(errors="ignore").encode() or b"?"
    run.memory.write(data, out)
    return -len(data)
