"""The suite passes a good plugin and finds each fault of a bad one, in the check that is named after it."""

import sys

import pytest
from google.protobuf import wrappers_pb2

from strongroom.testing.conformance import CHECKS, Subject, check_plugin, run_check
from tests.fakes import faulty_plugin
from tests.fakes.faulty_plugin import GOOD_ID, FaultyMounts, FaultyPlugin

KNOWN = {
    "samples": {(GOOD_ID, "Echo"): wrappers_pb2.StringValue(value="canary of a payload")},
    "registrations": {(GOOD_ID, "Ticks"): wrappers_pb2.StringValue(value="every second")},
    "events": {(GOOD_ID, "Ticks"): 2},
}
FAULTS = {
    "does not start": ("it starts and offers something", "it is failed: RuntimeError: no database"),
    "offers nothing": ("it starts and offers something", "it offers no capability and no mount"),
    "another id": ("its ids are valid and its methods have samples", f"{GOOD_ID} has samples and is not offered"),
    "no description": ("its ids are valid and its methods have samples", "has no description"),
    "hidden method": ("its ids are valid and its methods have samples", f"{GOOD_ID} Hidden has no sample"),
    "raises": ("it answers its samples", "an exception that it did not mean: RuntimeError: not meant"),
    "takes anything": ("it refuses messages of another type", "answered a payload of another type"),
    "wrong class": ("it refuses messages of another type", "as Public:System:Internal, not as Public:User"),
    "raises for odd texts": ("it survives garbage", "bytes of garbage with an exception that it did not mean"),
    "one at a time": ("it serves many callers at once", "one of 16 calls at once with an exception"),
    "answers otherwise": ("it answers a repeated step the same", "answered the same step otherwise"),
    "takes any config": ("it refuses configs of another type", "took a config of another type"),
    "sends nothing": ("it delivers events", "sent 0 events, and 2 were expected"),
    "same ids": ("it delivers events", "gave one id to two events"),
    "empty ids": ("it delivers events", "sent an event whose id has 0 bytes"),
    "takes no acks": ("it delivers events", "took no confirmation"),
    "does not unregister": ("it ends a registration", "did not end w-1: it goes on"),
    "registers once": ("it registers again", "refused to be registered twice: registered already"),
    "undescribed mount": ("its mounts have names and descriptions", "mount:notes has no description"),
    "mounts once": (
        "its mounts have names and descriptions",
        "['notes'], and after a restart []",
    ),
    "stop raises": ("it stops", "stop() raised"),
    "starts once": ("it starts again", "and after a restart []"),
    "logs payloads": ("its log holds no payload", "which begins with 'cana'"),
}


SENDS_NOTHING = {"sends nothing"}


def wait_briefly(monkeypatch):
    """What never comes is waited for briefly; what comes may take its time."""
    from strongroom.testing import plugin_host

    wait = plugin_host.Eventually.wait
    monkeypatch.setattr(plugin_host.Eventually, "wait", lambda self, condition: wait(self, condition, timeout_s=0.2))


def test_a_good_plugin_passes_in_every_form():
    process = (sys.executable, faulty_plugin.__file__)
    for plugin in (FaultyPlugin, FaultyMounts, "tests.fakes.faulty_plugin:FaultyPlugin", process):
        report = check_plugin(plugin, **KNOWN)
        assert report.ok, str(report)
        assert str(report) == f"{len(CHECKS)} checks, nothing found"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_where_it_belongs(fault, monkeypatch):
    check, problem = FAULTS[fault]
    if fault in SENDS_NOTHING:
        wait_briefly(monkeypatch)
    with pytest.raises(AssertionError) as caught:
        run_check(
            check, Subject(plugin=FaultyMounts if "mount" in fault else FaultyPlugin, config={"fault": fault}, **KNOWN)
        )
    assert problem in str(caught.value)


def test_every_check_but_those_of_the_host_finds_a_fault():
    by_the_host = {"it refuses methods that do not exist", "it survives a deadline"}
    assert {check for check, _ in FAULTS.values()} | by_the_host == set(CHECKS)


def test_a_report_names_check_and_problem():
    report = check_plugin(FaultyPlugin, {"fault": "no description"}, **KNOWN)
    assert not report.ok
    assert str(report) == f"its ids are valid and its methods have samples: {GOOD_ID} has no description"


def test_what_does_not_start_is_said_once():
    report = check_plugin(FaultyPlugin, {"fault": "does not start"}, **KNOWN)
    assert [finding.check for finding in report.findings] == ["it starts and offers something"]


def test_a_class_that_no_host_could_import_is_refused():
    class Local:
        pass

    with pytest.raises(ValueError, match="is not at the top of its module"):
        check_plugin(Local, samples={})
