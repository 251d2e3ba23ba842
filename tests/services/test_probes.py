"""The pages of probes: each state has its own code, on the page and in the document."""

import json
import re
from pathlib import Path

import pytest

from strongroom.services.http_request import Request
from strongroom.services.probes import CODES, Check, Probes, Verdict
from strongroom.telemetry.redaction import Redaction

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "observability.md").read_text()


class Host:
    def __init__(self, state="ready", *checks, alive=True):
        self.state, self.checks, self.alive = state, checks, alive

    def is_alive(self):
        return self.alive

    def verdict(self):
        return Verdict(self.state, self.checks)


def asked(host, path, query="", redaction=None):
    probes = Probes(host, lambda: b"# metrics\n", (redaction or Redaction()).text)
    return probes.answer(Request("GET", path, query))


@pytest.mark.parametrize("state", CODES)
def test_each_state_has_a_code_of_its_own(state):
    answer = asked(Host(state), "/readyz")
    assert answer.status == CODES[state]
    assert json.loads(answer.body)["state"] == state
    assert list(CODES.values()).count(answer.status) == 1
    assert (answer.status < 400) == (state in {"ready", "degraded"}), "a balancer sends work to these alone"


def test_the_page_lists_exactly_the_codes():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert {state: int(code) for state, code in rows} == CODES


def test_the_checks_are_listed_where_something_is_wrong_or_they_are_asked_for():
    checks = Check("database", True), Check("plugin http", False, "it is restarting", "wait")
    assert "checks" not in json.loads(asked(Host("ready", *checks), "/readyz").body)
    told = [
        {"name": "database", "result": "ok"},
        {"name": "plugin http", "result": "failed", "why": "it is restarting", "fix": "wait"},
    ]
    assert json.loads(asked(Host("ready", *checks), "/readyz", "verbose").body)["checks"] == told
    assert json.loads(asked(Host("degraded", *checks), "/readyz").body)["checks"] == told


def test_a_host_lives_until_its_work_does_not_go_round():
    assert asked(Host(), "/livez").status == 200
    assert asked(Host("draining"), "/livez").status == 200
    assert asked(Host(alive=False), "/livez").status == CODES["wedged"]


def test_what_is_said_goes_through_the_redaction():
    redaction = Redaction()
    redaction.register("hunter2secret")
    check = Check("audit", False, "hunter2secret\x1b[31m", "hunter2secret")
    answer = asked(Host("degraded", check), "/readyz", redaction=redaction)
    assert b"hunter2" not in answer.body
    assert b"\x1b" not in answer.body


def test_metrics_are_given_as_they_are_and_other_paths_are_not_there():
    assert asked(Host(), "/metrics").body == b"# metrics\n"
    assert asked(Host(), "/metrics").content_type.startswith("text/plain; version=0.0.4")
    for path in ("/", "/livez/", "/metrics/../livez", "/health"):
        assert asked(Host(), path).status == 404
