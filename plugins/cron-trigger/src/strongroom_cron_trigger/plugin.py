"""Capability ``cron-trigger@1.0.0`` (capability-wire section 11.1): runs at the times that a schedule names.

The id of an event is the scheduled second, whenever it is delivered, and an event is kept until its run is on disk. So
a second that was fired before a crash and again after it is one run, and one that was missed comes as the policy says.
"""

import binascii
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from typing import Final

from google.protobuf import timestamp_pb2
from google.protobuf.message import Message

from strongroom.plugin import (
    Capability,
    CapabilityError,
    EventBook,
    Events,
    Host,
    Redelivery,
    Registration,
    TriggerMethod,
    hookimpl,
)
from strongroom.plugin.messages import cron_pb2
from strongroom_cron_trigger.jobs import Job, Jobs, event_id_of
from strongroom_cron_trigger.policy import CATCH_UPS, OVERLAPS, Policy
from strongroom_cron_trigger.schedule import parse_schedule, parse_zone

__all__ = ["CronTrigger"]

INTERVAL_S_MAX: Final = 86_400
WINDOW_S_MAX: Final = 366 * 86_400
EVENTS_MAX: Final = 1000
"""As many unconfirmed events as the book keeps for one trigger."""
JITTER_S_MAX: Final = 3600


@dataclass(slots=True, eq=False)
class _Parts:
    """What stands once the host is known."""

    jobs: Jobs
    book: EventBook


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CronTrigger:
    """The plugin and its configuration.

    ``zone`` is for schedules that name none. ``fastest_interval_s`` is the shortest time between two runs of a
    schedule. ``catch_up`` says what to do about times that were missed by more than ten seconds: ``none``, the ``last``
    one, or ``all`` of them, at most ``catch_up_events_max``, and none older than ``catch_up_window_s``. ``overlap``
    says what to do while the last run of a schedule goes on: ``allow`` the next one, ``skip`` it, or ``queue`` it until
    the last has ended. ``jitter_s`` delays each schedule by a time of its own, up to so much.
    """

    zone: str = "UTC"
    fastest_interval_s: int = 30
    catch_up: str = "last"
    catch_up_window_s: int = 604_800
    catch_up_events_max: int = 100
    overlap: str = "allow"
    jitter_s: int = 0
    _parts: dict[str, _Parts] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for name, value, low, high in (
            ("fastest_interval_s", self.fastest_interval_s, 1, INTERVAL_S_MAX),
            ("catch_up_window_s", self.catch_up_window_s, 1, WINDOW_S_MAX),
            ("catch_up_events_max", self.catch_up_events_max, 1, EVENTS_MAX),
            ("jitter_s", self.jitter_s, 0, JITTER_S_MAX),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} must be in {low}..{high}, it is {value}")
        for name, word, known in (("catch_up", self.catch_up, CATCH_UPS), ("overlap", self.overlap, OVERLAPS)):
            if word not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, it is {word!r}")
        try:
            parse_zone(self.zone)
        except CapabilityError as error:
            raise ValueError(f"zone: there is no time zone {self.zone[:64]!r}") from error

    @hookimpl
    def start(self, host: Host) -> None:
        """Open the book of events, and begin to look at the clock."""
        book = EventBook(host.store, log=host.log, redelivery=Redelivery(events_max=EVENTS_MAX))
        jobs = Jobs(host.store, book, host.log)
        self._parts["all"] = _Parts(jobs, book)
        jobs.start()

    @hookimpl
    def capabilities(self) -> list[Capability]:
        """Offer ``cron-trigger@1.0.0``."""
        parts = self._parts["all"]

        def forget(trigger_id: str) -> None:
            parts.jobs.forget(trigger_id)
            parts.book.forget(trigger_id)

        def method(payload: Callable[[int], Message]) -> TriggerMethod:
            return TriggerMethod(
                register=lambda registration, events: self._register(parts, registration, events, payload),
                ack=parts.book.ack,
                forget=forget,
            )

        return [
            Capability(
                id="cron-trigger@1.0.0",
                description="Runs at the times that a cron schedule names",
                kind="trigger",
                triggers={"Trigger": method(_payload), "LegacyTrigger": method(_legacy_payload)},
            )
        ]

    @hookimpl
    def stop(self) -> None:
        """Fire nothing more. What is not confirmed is sent after the next start."""
        parts = self._parts.pop("all", None)
        if parts is not None:
            parts.jobs.close()
            parts.book.close()

    def _register(
        self, parts: _Parts, registration: Registration, events: Events, payload: Callable[[int], Message]
    ) -> Callable[[], None]:
        text = registration.unpack(cron_pb2.Config).schedule
        schedule = parse_schedule(text, self._zone())
        schedule.check_fastest(self.fastest_interval_s)
        policy = Policy(window_s=self.catch_up_window_s, events_max=self.catch_up_events_max)
        policy = policy.with_words(
            replace(schedule, words={"CATCH_UP": self.catch_up, "OVERLAP": self.overlap, **schedule.words})
        )
        if policy.overlap != "allow":
            events.unfinished()  # refuses here and now where the host cannot say
        trigger_id = registration.trigger_id
        job = Job(
            trigger_id=trigger_id,
            text=text,
            schedule=schedule,
            policy=policy,
            payload=payload,
            events=events,
            jitter_s=binascii.crc32(trigger_id.encode()) % (self.jitter_s + 1),
            marks=parts.jobs.marks_of(trigger_id, text),
        )
        parts.jobs.put(job)
        detach = parts.book.attach(trigger_id, events)

        def stop() -> None:
            parts.jobs.stop(job)
            detach()

        return stop

    def _zone(self) -> tzinfo:
        return UTC if self.zone == "UTC" else parse_zone(self.zone)


def _payload(unix_s: int) -> Message:
    return cron_pb2.Payload(scheduled_execution_time=timestamp_pb2.Timestamp(seconds=unix_s))


def _legacy_payload(unix_s: int) -> Message:
    """RFC 3339 with nanoseconds, as Go writes it: without digits that are zero, so there are none."""
    return cron_pb2.LegacyPayload(scheduled_execution_time=event_id_of(unix_s))
