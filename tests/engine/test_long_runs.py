"""A run of many steps: each is appended to what is there, so a late one costs what an early one did."""

import statistics
import time

import pytest

from strongroom.engine.admission import Start
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.scripted_guest import ACTION, adapted, call, text_of, types
from tests.fakes.workflow_host import OWNER, WorkflowHost, value
from tests.faults.figures import record
from tests.faults.scale import much

STEPS = much(200, 1000)
AROUND = 9
"""How many steps before and after one are looked at with it: a single one may be anything on a busy machine."""
DEMANDED = 1.5
WAIT_S = 100


def around(took_s, number):
    """What a step near that number costs, seconds."""
    return statistics.median(took_s[max(number - AROUND, 0) : number + AROUND])


@pytest.mark.timeout(0)
def test_every_step_of_a_long_run_is_one_more_event_and_costs_no_more_than_the_first_ones(database, backend):
    host, took_s = WorkflowHost(database), []
    host.capabilities.found[ACTION] = ScriptedCapability({"PerformAction": adapted("done")})
    host.register()

    def steps(request, helper):
        for number in range(STEPS):
            began_s = time.perf_counter()
            assert text_of(helper.call_capability(call(number))) == "done"
            took_s.append(time.perf_counter() - began_s)
        return value("done")

    host.module.on_trigger = steps
    header, _ = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))
    finished, _ = host.engine.wait(header.run_id, WAIT_S)
    written = types(host, header.run_id)
    host.close()
    early_s, late_s = around(took_s, 10), around(took_s, STEPS)
    record(
        "O10",
        f"step {STEPS} beside step 10, {backend}",
        demanded=f"at most {DEMANDED} times",
        measured=f"{late_s / early_s:.2f} times ({late_s * 1000:.2f} ms, {early_s * 1000:.2f} ms)",
        met=late_s <= DEMANDED * early_s,
    )
    assert finished.status == "completed"
    # What is sealed again and again would grow with the run; this is one of each for each step.
    assert (written.count("step_created"), written.count("step_completed")) == (STEPS, STEPS)
