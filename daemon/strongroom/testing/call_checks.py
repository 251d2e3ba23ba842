"""Checks of the methods of a plugin. Each yields what is wrong as sentences; nothing is fine."""

import importlib
import logging
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from google.protobuf import any_pb2, descriptor_pool, empty_pb2, message_factory

from strongroom.errors import CapabilityError, StrongroomError
from strongroom.plugin.build import Hooks, build_plugin
from strongroom.plugin.host import Host
from strongroom.registry.ids import validate_id
from strongroom.testing.plugin_host import MemoryArtifacts, MemoryStore
from strongroom.testing.subject import Bench

__all__ = [
    "answers_its_samples",
    "is_ready",
    "offers_valid_ids",
    "refuses_other_messages",
    "refuses_unknown_methods",
    "repeats_an_answer",
    "serves_many_callers",
    "survives_a_deadline",
    "survives_garbage",
]

CALLERS: Final = 16
GARBAGE_SEED: Final = 1  # the same garbage each time, so that what fails here fails there
HUGE_BYTES: Final = 4_000_000
NO_SUCH_METHOD: Final = "conformance_no_such_method"
OTHER_TYPE: Final = "type.googleapis.com/strongroom.conformance.Nothing"
# The last field number there is, with a length: no message of ours has it, so readers skip what follows.
UNKNOWN_FIELD: Final = b"\xfa\xff\xff\xff\x0f"


def is_ready(bench: Bench) -> Iterator[str]:
    """It starts, and offers something."""
    state = bench.state()
    if state.state != "ready":
        yield f"it is {state.state}: {state.last_error}"
    elif not state.capabilities and not state.mounts:
        yield "it offers no capability and no mount"


def offers_valid_ids(bench: Bench) -> Iterator[str]:
    """Ids are in the grammar, say what they are for, and samples are of what is offered."""
    offered = {entry.id for entry in bench.offered()}
    for entry in bench.offered():
        try:
            validate_id(entry.id)
        except StrongroomError as error:
            yield str(error)
        if not entry.description:
            yield f"{entry.id} has no description"
    named = {key for group in (bench.subject.samples, bench.subject.registrations) for key in group}
    for capability_id in sorted({key[0] for key in named} - offered):
        yield f"{capability_id} has samples and is not offered"
    if isinstance(bench.subject.plugin, str) or callable(bench.subject.plugin):
        with bench.stopped():  # two instances at once could want the same port
            declared = _declared(bench)
        for key in sorted(declared - named):
            yield f"{key[0]} {key[1]} has no sample"


def answers_its_samples(bench: Bench) -> Iterator[str]:
    """A sample is answered by a message, or refused on purpose."""
    for key in bench.subject.samples:
        yield from _meant(key, "its sample", bench.call(*key, bench.sample(key)))


def refuses_other_messages(bench: Bench) -> Iterator[str]:
    """A payload of another type is the caller's fault, and is said to be."""
    for key in bench.subject.samples:
        for what, payload in (
            ("another type", any_pb2.Any(type_url=OTHER_TYPE, value=b"\x08\x01")),
            ("no type", any_pb2.Any(value=bench.sample(key).value)),
            ("bytes that are no message", any_pb2.Any(type_url=bench.sample(key).type_url, value=b"\xff\xff\xff")),
        ):
            answer = bench.call(*key, payload)
            if not isinstance(answer, CapabilityError):
                yield f"{key[0]} {key[1]} answered a payload of {what}"
            elif (answer.visibility, answer.origin, answer.name) != ("Public", "User", "InvalidArgument"):
                yield f"{key[0]} {key[1]} refused {what} as {_shape(answer)}, not as Public:User:InvalidArgument"


def refuses_unknown_methods(bench: Bench) -> Iterator[str]:
    """A method that does not exist is Unimplemented."""
    empty = any_pb2.Any(type_url="type.googleapis.com/" + empty_pb2.Empty.DESCRIPTOR.full_name)
    for capability_id in sorted({key[0] for key in bench.subject.samples}):
        answer = bench.call(capability_id, NO_SUCH_METHOD, empty)
        if not isinstance(answer, CapabilityError) or answer.name != "Unimplemented":
            found = _shape(answer) if isinstance(answer, CapabilityError) else "an answer"
            yield f"{capability_id} has no method {NO_SUCH_METHOD!r} and gave {found}, not Unimplemented"


def survives_garbage(bench: Bench) -> Iterator[str]:
    """Cut, changed, random and huge payloads are answered or refused; afterwards the sample is answered as before."""
    chance = random.Random(GARBAGE_SEED)  # noqa: S311 - garbage has to be the same each time, not secret
    before = bench.state().restarts
    for key in bench.subject.samples:
        sample = bench.sample(key)
        huge = UNKNOWN_FIELD + _varint(HUGE_BYTES) + bytes(HUGE_BYTES)
        garbage = [sample.value[: len(sample.value) // 2], sample.value * 2, b"\x00", b"\xff" * 1_000]
        garbage += [chance.randbytes(chance.randrange(200)) for _ in range(20)]
        garbage += [_changed(sample.value, chance) for _ in range(20)]
        for data in [*garbage, sample.value + huge]:
            answer = bench.call(*key, any_pb2.Any(type_url=sample.type_url, value=data))
            yield from _meant(key, f"a payload of {len(data)} bytes of garbage", answer)
        yield from _meant(key, "its sample, after garbage", bench.call(*key, sample))
    if bench.state().state != "ready" or bench.state().restarts != before:
        yield f"after garbage it is {bench.state().state} with {bench.state().restarts - before} restarts"


def serves_many_callers(bench: Bench) -> Iterator[str]:
    """Calls from many threads at once all end."""
    for key in bench.subject.samples:
        with ThreadPoolExecutor(CALLERS) as pool:
            calls = [pool.submit(bench.call, *key, bench.sample(key)) for _ in range(CALLERS)]
        for answer in (call.result() for call in calls):
            yield from _meant(key, f"one of {CALLERS} calls at once", answer)


def survives_a_deadline(bench: Bench) -> Iterator[str]:
    """A call without time ends as such, and the next one is answered."""
    for key in bench.subject.samples:
        answer = bench.call(*key, bench.sample(key), timeout_s=0.001)
        if isinstance(answer, CapabilityError) and answer.name != "DeadlineExceeded":
            yield from _meant(key, "a call with a deadline of 1 ms", answer)
        yield from _meant(key, "its sample, after a deadline", bench.call(*key, bench.sample(key)))


def repeats_an_answer(bench: Bench) -> Iterator[str]:
    """A step that is sent again is answered the same, also by a plugin that was started again in between."""
    keys = [key for key in bench.subject.samples if key not in bench.subject.answers_differ]
    first = {key: bench.call(*key, bench.sample(key), step="-".join(key)) for key in keys}
    for restarted in (False, True):
        if restarted and keys:
            bench.restart()
        for key in keys:
            again = bench.call(*key, bench.sample(key), step="-".join(key))
            if _comparable(again) != _comparable(first[key]):
                after = " after a restart" if restarted else ""
                yield f"{key[0]} {key[1]} answered the same step otherwise{after}"


def _declared(bench: Bench) -> set[tuple[str, str]]:
    """Every method and trigger that the class declares, asked of an instance with a store of its own."""
    module, _, name = (bench.entry.factory or "").partition(":")
    factory = getattr(importlib.import_module(module), name)
    hooks = Hooks(build_plugin(factory, bench.entry.config, name=bench.entry.name), name=bench.entry.name)
    host = Host(
        name=bench.entry.name,
        mode="dev",
        store=MemoryStore(),
        registry=bench.host.registry,
        artifacts=MemoryArtifacts(),
        log=logging.getLogger(f"strongroom.plugins.{bench.entry.name}"),
        workspaces=bench.host.workspaces,
    )
    hooks.start(host)
    try:
        return {(c.id, method) for c in hooks.capabilities() for method in (*c.methods, *c.triggers)}
    finally:
        hooks.stop()


def _meant(key: tuple[str, str], what: str, answer: any_pb2.Any | CapabilityError) -> Iterator[str]:
    """A message is meant, and so is an error with a class; an exception that nobody expected is not."""
    if isinstance(answer, CapabilityError):
        if (answer.visibility, answer.name) == ("Private", "Unknown"):
            yield f"{key[0]} {key[1]} answered {what} with an exception that it did not mean: {answer.message[:200]}"
        elif (answer.visibility, answer.name) == ("Private", "Internal"):
            yield f"{key[0]} {key[1]} answered {what} with no message: {answer.message[:200]}"
    elif not answer.type_url:
        yield f"{key[0]} {key[1]} answered {what} with a message without a type"


def _comparable(answer: any_pb2.Any | CapabilityError) -> tuple[str, bytes]:
    if isinstance(answer, CapabilityError):
        return _shape(answer), answer.message.encode()
    try:
        # The same message may be written in other bytes: maps have no order.
        known = message_factory.GetMessageClass(
            descriptor_pool.Default().FindMessageTypeByName(answer.type_url.rpartition("/")[2])
        )
    except KeyError:
        return answer.type_url, answer.value
    return answer.type_url, known.FromString(answer.value).SerializeToString(deterministic=True)


def _shape(error: CapabilityError) -> str:
    return f"{error.visibility}:{error.origin}:{error.name}"


def _changed(data: bytes, chance: random.Random) -> bytes:
    """``data`` with one byte changed."""
    if not data:
        return b"\x07"
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])
