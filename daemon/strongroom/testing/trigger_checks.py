"""Checks of the triggers of a plugin. Each yields what is wrong as sentences; nothing is fine."""

from collections.abc import Iterator
from typing import Final

from google.protobuf import any_pb2

from strongroom.errors import StrongroomError
from strongroom.plugin.capability import EVENT_ID_BYTES_MAX
from strongroom.testing.plugin_host import Eventually
from strongroom.testing.subject import Bench, packed

__all__ = ["delivers_events", "ends_a_registration", "refuses_other_configs", "registers_again"]

OTHER_TYPE: Final = "type.googleapis.com/strongroom.conformance.Nothing"


def refuses_other_configs(bench: Bench) -> Iterator[str]:
    """A config of another type refuses the registration, as the caller's fault."""
    for key in bench.subject.registrations:
        refused = bench.register(
            *key, any_pb2.Any(type_url=OTHER_TYPE, value=b"\x08\x01"), Eventually(), trigger_id="other"
        )
        if refused is None:
            yield f"{key[0]} {key[1]} took a config of another type"
            bench.unregister(*key, trigger_id="other")
        elif (refused.visibility, refused.origin, refused.name) != ("Public", "User", "InvalidArgument"):
            shape = f"{refused.visibility}:{refused.origin}:{refused.name}"
            yield f"{key[0]} {key[1]} refused a config of another type as {shape}, not Public:User:InvalidArgument"


def delivers_events(bench: Bench) -> Iterator[str]:
    """A registration is confirmed; its events have ids of their own and payloads; each can be confirmed."""
    for key in bench.subject.registrations:
        told, expected = Eventually(), bench.subject.events.get(key, 0)
        refused = bench.register(*key, packed(bench.subject.registrations[key]), told, trigger_id="w-0")
        if refused is not None:
            yield f"{key[0]} {key[1]} refused its sample: {refused.message[:200]}"
            continue
        try:
            told.wait(lambda t, n=expected: len(t.events) >= n)  # type: ignore[misc]  # mypy infers no lambda with defaults
        except TimeoutError:
            yield f"{key[0]} {key[1]} sent {len(told.events)} events, and {expected} were expected"
        ids = [event.id for event in told.events]
        if len(ids) != len(set(ids)):
            yield f"{key[0]} {key[1]} gave one id to two events"
        for event in list(told.events):
            if not 0 < len(event.id.encode()) <= EVENT_ID_BYTES_MAX:
                yield f"{key[0]} {key[1]} sent an event whose id has {len(event.id.encode())} bytes"
            if event.triggerType != key[0] or not event.payload.type_url:
                yield f"{key[0]} {key[1]} sent an event without its type or payload"
            try:
                bench.host.registry.get_trigger(key[0]).ack("w-0", event.id, key[1])
            except StrongroomError as error:
                yield f"{key[0]} {key[1]} took no confirmation: {str(error)[:200]}"
        bench.unregister(*key, trigger_id="w-0")


def ends_a_registration(bench: Bench) -> Iterator[str]:
    """Ending a registration ends its events; ending it again, or one that never was, is fine."""
    for key in bench.subject.registrations:
        told = Eventually()
        if bench.register(*key, packed(bench.subject.registrations[key]), told, trigger_id="w-1") is not None:
            continue  # that a sample is refused is said elsewhere
        for trigger_id in ("w-1", "w-1", "never-registered"):
            try:
                bench.unregister(*key, trigger_id=trigger_id)
            except StrongroomError as error:
                yield f"{key[0]} {key[1]} did not end {trigger_id}: {str(error)[:200]}"
        count = len(told.events)
        bench.restart()
        if len(told.events) != count:
            yield f"{key[0]} {key[1]} sent {len(told.events) - count} events after the registration had ended"


def registers_again(bench: Bench) -> Iterator[str]:
    """The same trigger id again replaces the first, and after a restart it can be registered as before."""
    for key in bench.subject.registrations:
        payload, expected = packed(bench.subject.registrations[key]), bench.subject.events.get(key, 0)
        for what in ("twice", "after a restart"):
            told = Eventually()
            refused = bench.register(*key, payload, Eventually(), trigger_id="w-2")
            if what == "twice":
                refused = refused or bench.register(*key, payload, told, trigger_id="w-2")
                if refused is None and expected:
                    yield from _waits(key, told, what)
            if refused is not None:
                yield f"{key[0]} {key[1]} refused to be registered {what}: {refused.message[:200]}"
            bench.restart()
        bench.unregister(*key, trigger_id="w-2")


def _waits(key: tuple[str, str], told: Eventually, what: str) -> Iterator[str]:
    try:
        told.wait(lambda t: len(t.events) > 0)
    except TimeoutError:
        yield f"{key[0]} {key[1]} sent nothing when it was registered {what}"
