"""Checks of what a plugin does at its end, at its next start, and in its log."""

from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from strongroom.errors import CapabilityError
from strongroom.testing.subject import Bench

__all__ = ["describes_its_mounts", "keeps_secrets_out_of_its_log", "starts_again", "stops"]

CANARY_CHARS_MIN: Final = 12  # shorter texts stand in logs by chance


def describes_its_mounts(bench: Bench) -> Iterator[str]:
    """Each mount provider says what it is for, and is there again after a restart."""
    before = bench.host.registry.mounts.all()
    for name, provider in before.items():
        if not provider.description:
            yield f"mount:{name} has no description"
    if before:
        bench.restart()
        after = bench.host.registry.mounts.all()
        if before.keys() != after.keys():
            yield f"it provided the mounts {sorted(before)}, and after a restart {sorted(after)}"


def stops(bench: Bench) -> Iterator[str]:
    """It stops when it is told to, in order, and then answers nothing."""
    before = bench.host
    with bench.stopped():
        (state,) = before.plugins.states()
        if state.state != "stopped":
            yield f"after its end it is {state.state}: {state.last_error}"
        if any("stop() failed" in line for line in bench.lines):
            yield "stop() raised, or did not come back in time"
    if bench.state().state != "ready":
        yield f"it does not start again after its end: {bench.state().last_error}"


def starts_again(bench: Bench) -> Iterator[str]:
    """Over the store of its first life it offers the same, and answers its samples."""
    before = {entry.id: entry.kind for entry in bench.offered()}
    bench.restart()
    after = {entry.id: entry.kind for entry in bench.offered() if entry.available}
    if before != after:
        yield f"it offered {sorted(before)}, and after a restart {sorted(after)}"
    for key in bench.subject.samples:
        answer = bench.call(*key, bench.sample(key))
        if isinstance(answer, CapabilityError) and (answer.visibility, answer.name) == ("Private", "Unknown"):
            yield f"{key[0]} {key[1]} answers its sample with {answer.message[:200]!r} after a restart"


def keeps_secrets_out_of_its_log(bench: Bench) -> Iterator[str]:
    """Nothing of a payload and no canary is in any line of the log, good answers and refusals alike."""
    for key in bench.subject.samples:
        sample = bench.sample(key)
        bench.call(*key, sample)
        sample.value = sample.value + b"\x07"
        bench.call(*key, sample)
    bench.restart()
    messages = [*bench.subject.samples.values(), *bench.subject.registrations.values()]
    texts = {text for message in messages for text in _texts(message)} | set(bench.subject.canaries)
    for text in sorted(texts):
        found = sum(text in line for line in bench.lines)
        if found:
            yield f"{found} lines of the log hold a text of a payload, which begins with {text[:4]!r}"


def _texts(message: Message) -> Iterator[str]:
    """The longer texts in a message."""
    for field, value in message.ListFields():
        for one in _items(field, value):
            if isinstance(one, Message):
                yield from _texts(one)
            elif isinstance(one, str) and len(one) >= CANARY_CHARS_MIN:
                yield one
            elif isinstance(one, bytes) and len(one) >= CANARY_CHARS_MIN:
                yield from (one.hex(), repr(one)[2:-1])


def _items(field: FieldDescriptor, value: object) -> Iterator[object]:
    if not field.is_repeated:
        yield value
    elif hasattr(value, "items"):
        yield from value.values()  # type: ignore[attr-defined]  # a map field
    else:
        yield from value  # type: ignore[misc]  # a repeated field
