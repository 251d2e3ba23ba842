"""The plugin as a host sees it, in process and as a process."""

import sys

import pytest
from google.protobuf import timestamp_pb2

from strongroom.errors import CapabilityError, Misconfigured
from strongroom.pb.capabilities.v1 import capabilities_pb2
from strongroom.plugin.build import build_plugin
from strongroom.plugin.messages import cron_pb2
from strongroom.settings.manifest import PluginEntry
from strongroom.testing.conformance import CHECKS, Subject, run_check
from strongroom_cron_trigger.plugin import CronTrigger
from tests.fakes.memory_host import WAIT_S, Eventually, MemoryHost

CRON = "cron-trigger@1.0.0"
KINDS = {
    "in process": {"factory": "strongroom_cron_trigger.plugin:CronTrigger"},
    "process": {"command": (sys.executable, "-m", "strongroom_cron_trigger")},
}
FAST = {"fastest_interval_s": 1}


def asked(schedule, *, trigger_id="t", method="Trigger"):
    request = capabilities_pb2.TriggerRegistrationRequest(triggerId=trigger_id, method=method)
    request.payload.Pack(cron_pb2.Config(schedule=schedule))
    return request


EVERY_SECOND = cron_pb2.Config(schedule="* * * * * *")


@pytest.mark.parametrize("plugin", [CronTrigger, KINDS["process"]["command"]], ids=KINDS)
@pytest.mark.parametrize("check", CHECKS)
def test_it_keeps_the_contract_of_plugins(plugin, check):
    methods = [(CRON, "Trigger"), (CRON, "LegacyTrigger")]
    subject = Subject(
        plugin=plugin,
        config=FAST,
        registrations=dict.fromkeys(methods, EVERY_SECOND),
        events=dict.fromkeys(methods, 1),
    )
    run_check(check, subject)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def host(kind, tmp_path):
    with MemoryHost(tmp_path, PluginEntry(name="cron-trigger", config=FAST, **KINDS[kind])) as made:
        yield made


@pytest.fixture(scope="module")
def refusing_host(kind, tmp_path_factory):
    """One host for everything that is refused, since it leaves nothing behind."""
    with MemoryHost(
        tmp_path_factory.mktemp("host"), PluginEntry(name="cron-trigger", config=FAST, **KINDS[kind])
    ) as made:
        yield made


@pytest.mark.parametrize("method", ["Trigger", "LegacyTrigger"])
def test_a_schedule_fires_until_it_is_confirmed_and_forgotten(host, method):
    trigger, told = host.registry.get_trigger(CRON), Eventually()
    trigger.register(asked("* * * * * *", method=method), told, timeout_s=WAIT_S)
    told.wait(lambda t: len(t.events) >= 2)
    first = told.events[0]
    store = host.stores["cron-trigger"]
    assert f"event/t/{first.id}" in store.list()
    if method == "Trigger":
        payload = cron_pb2.Payload.FromString(first.payload.value)
        assert payload.scheduled_execution_time == timestamp(first.id)
    else:
        assert cron_pb2.LegacyPayload.FromString(first.payload.value).scheduled_execution_time == first.id
    trigger.ack("t", first.id, method)
    assert f"event/t/{first.id}" not in store.list()
    trigger.unregister(asked("* * * * * *", method=method))
    assert store.list() == []


def timestamp(event_id):
    made = timestamp_pb2.Timestamp()
    made.FromJsonString(event_id)
    return made


def test_a_pause_keeps_what_is_not_confirmed(host):
    trigger, first, second = host.registry.get_trigger(CRON), Eventually(), Eventually()
    trigger.register(asked("* * * * * *"), first, timeout_s=WAIT_S)
    first.wait(lambda t: t.events)
    trigger.pause(asked("* * * * * *"))
    assert host.stores["cron-trigger"].list("event/")
    trigger.register(asked("* * * * * *"), second, timeout_s=WAIT_S)
    second.wait(lambda t: t.events)
    assert second.events[0].id == first.events[0].id


@pytest.mark.parametrize(
    ("schedule", "code", "text"),
    [
        ("", "InvalidArgument", "invalid cron schedule: "),
        ("* * * *", "InvalidArgument", "invalid cron schedule: "),
        ("CATCH_UP=some * * * * *", "InvalidArgument", "CATCH_UP must be one of none, last, all"),
        ("OVERLAP=never * * * * *", "InvalidArgument", "OVERLAP must be one of allow, skip, queue"),
    ],
)
def test_a_wrong_schedule_is_refused_by_code_and_text(refusing_host, schedule, code, text):
    with pytest.raises(CapabilityError, match=text) as refused:
        refusing_host.registry.get_trigger(CRON).register(asked(schedule), Eventually(), timeout_s=WAIT_S)
    assert (refused.value.visibility, refused.value.origin, refused.value.name) == ("Public", "User", code)
    assert refusing_host.stores["cron-trigger"].list() == []


def test_another_message_than_the_config_is_refused(refusing_host):
    request = asked("* * * * *")
    request.payload.Pack(timestamp_pb2.Timestamp())
    with pytest.raises(CapabilityError, match="the payload must be capabilities.scheduler.cron.v1.Config"):
        refusing_host.registry.get_trigger(CRON).register(request, Eventually(), timeout_s=WAIT_S)


def test_an_overlap_policy_is_refused_where_the_host_cannot_say_what_runs(host, kind):
    trigger = host.registry.get_trigger(CRON)
    if kind == "in process":
        trigger.register(asked("OVERLAP=skip * * * * *"), Eventually(), timeout_s=WAIT_S)
    else:
        with pytest.raises(CapabilityError, match="load the plugin in the daemon") as refused:
            trigger.register(asked("OVERLAP=skip * * * * *"), Eventually(), timeout_s=WAIT_S)
        assert (refused.value.origin, refused.value.name) == ("User", "Unimplemented")


def test_unregistering_what_is_not_registered_is_fine(host):
    host.registry.get_trigger(CRON).unregister(asked("* * * * *", trigger_id="unknown"))


WRONG = {
    "zone": ({"zone": "Mars/Olympus"}, "zone: there is no time zone 'Mars/Olympus'"),
    "interval": ({"fastest_interval_s": 0}, "fastest_interval_s must be in 1..86400"),
    "window": ({"catch_up_window_s": 0}, "catch_up_window_s must be in"),
    "events": ({"catch_up_events_max": 1001}, "catch_up_events_max must be in 1..1000"),
    "jitter": ({"jitter_s": -1}, "jitter_s must be in 0..3600"),
    "catch-up": ({"catch_up": "some"}, "catch_up must be one of none, last, all"),
    "overlap": ({"overlap": "never"}, "overlap must be one of allow, skip, queue"),
    "unknown key": ({"fastest": 1}, "no such key"),
}


@pytest.mark.parametrize(("config", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_config_is_refused_by_key(config, reason):
    with pytest.raises(Misconfigured, match=reason):
        build_plugin(CronTrigger, config, name="cron-trigger")
