"""A host with one schedule and a clock that a test sets; it is stopped and started as a real one is."""

import logging
from datetime import UTC, datetime

from google.protobuf import wrappers_pb2

from strongroom.plugin import EventBook
from strongroom_cron_trigger.jobs import Job, Jobs
from strongroom_cron_trigger.policy import Policy
from strongroom_cron_trigger.schedule import parse_schedule
from tests.fakes.memory_host import MemoryStore

LOG = logging.getLogger("strongroom.test")
NOON = int(datetime(2026, 6, 1, 12, tzinfo=UTC).timestamp())
HOUR, DAY = 3600, 86_400


class Registration:
    """The far end of one schedule: how many runs go on, and the id of every event that was made."""

    def __init__(self):
        self.running = 0

    def unfinished(self):
        return self.running

    def send(self, event_id, payload):
        pass

    def fail(self, error):
        raise AssertionError(error)


class Machine:
    """A host that is started, stopped and has its clock set. ``fired`` are the times of the events, in order."""

    def __init__(self, text="* * * * *", *, jitter_s=0, **policy):
        self.store, self.now, self.fired = MemoryStore(), float(NOON), []
        self.text, self.policy, self.jitter_s = text, policy, jitter_s
        put = self.store.put

        def noted(key, value, *, owner=""):
            if key.startswith("event/"):
                self.fired.append(int(datetime.fromisoformat(key.rpartition("/")[2]).timestamp()))
            put(key, value, owner=owner)

        self.store.put = noted
        self.registration = Registration()
        self.start()

    def start(self):
        self.book = EventBook(self.store, log=LOG)
        self.jobs = Jobs(self.store, self.book, LOG, clock=lambda: self.now)
        schedule = parse_schedule(self.text, UTC)
        self.job = Job(
            trigger_id="t",
            text=self.text,
            schedule=schedule,
            policy=Policy(**self.policy).with_words(schedule),
            payload=lambda at: wrappers_pb2.Int64Value(value=at),
            events=self.registration,
            jitter_s=self.jitter_s,
            marks=self.jobs.marks_of("t", self.text),
        )
        self.jobs.put(self.job)

    def run(self, seconds):
        """Let time pass, with a look at the clock as often as the plugin wants one."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + max(1.0, self.jobs.tick()))
        self.jobs.tick()

    def set_clock(self, seconds):
        self.now += seconds
        self.jobs.tick()

    def confirm(self):
        for event_id in self.book.waiting("t"):
            self.book.ack("t", event_id)

    def minutes(self, since=NOON):
        return [(at - since) / 60 for at in self.fired]
