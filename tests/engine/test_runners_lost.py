"""Runs whose runner ends with the program that started it go on when that is back, and do nothing twice."""

import threading

import pytest

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.errors import Unavailable
from strongroom.guest.cache import CompiledCache
from strongroom.guest.limits import GuestLimits
from strongroom.guest.pool import RunnerPool
from strongroom.guest.starter.started import AWAY, away
from strongroom.pb.sdk.v1alpha import sdk_pb2
from tests.fakes.capabilities import ScriptedCapability
from tests.fakes.pool_program import PoolProgram
from tests.fakes.scripted_guest import ACTION, METHOD, adapted, types
from tests.fakes.workflow_host import OWNER, WorkflowHost
from tests.guest.program import Program
from tests.guests.conftest import CacheKey

WAIT_S = 60
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"])
"""What is lost here is no database, so one of them is enough."""


@pytest.fixture
def program(tmp_path):
    made = PoolProgram(tmp_path / "pool.sock")
    yield made
    made.close()


@pytest.fixture
def pool(tmp_path, program):
    cache = CompiledCache(tmp_path / "compiled", CacheKey())
    made = RunnerPool(runners_max=2, cache=cache, limits=GuestLimits(), start=program.client().start)
    yield made
    made.close()


def in_runners_of(pool, raw):
    """A trigger that is executed there."""

    def trigger(request, helper):
        answer = pool.execute(
            owner="a",
            module_key=pool.key_of(raw),
            wasm=lambda: raw,
            request=request.SerializeToString(),
            helper=helper,
        )
        return sdk_pb2.ExecutionResult.FromString(answer)

    return trigger


def two_steps():
    """A guest that calls twice, one after the other."""
    program = Program()
    error, out = program.buffer(64), program.buffer(4096)
    for number in (1, 2):
        message = sdk_pb2.CapabilityRequest(id=ACTION, method=METHOD, callback_id=number)
        program.env("call_capability", *program.message(message), error, 64)
        awaited = sdk_pb2.AwaitCapabilitiesRequest(ids=[number])
        program.env("await_capabilities", *program.message(awaited), out, 4096)
    return program.wasm()


@on_sqlite
def test_a_run_whose_pool_is_killed_goes_on_when_it_is_back_and_sends_nothing_twice(host, pool, program):
    sent = []

    def act(request):
        sent.append(request.metadata.reference_id)
        if len(sent) == 1:
            program.kill()
            program.start()
        return adapted("done")

    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: act})
    raw = two_steps()
    host.module.on_trigger = in_runners_of(pool, raw)
    host.register(binary=raw)
    run_id = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
    assert host.engine.wait(run_id, WAIT_S)[0].status == "completed"
    assert sent == ["1", "2"], "each step was sent once"
    assert types(host, run_id).count("step_completed") == 2


@on_sqlite
def test_a_run_waits_for_a_pool_that_is_away_and_is_executed_when_it_is_back(host, pool, program):
    raw = two_steps()
    host.capabilities.found[ACTION] = ScriptedCapability({METHOD: adapted("done")})
    host.module.on_trigger = in_runners_of(pool, raw)
    host.register(binary=raw)
    program.kill()
    run_id = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
    program.start()
    assert host.engine.wait(run_id, WAIT_S)[0].status == "completed"


def test_a_compiler_that_is_lost_is_not_the_fault_of_the_module(pool, program):
    pool.report()
    program.kill()
    with pytest.raises(Unavailable) as caught:
        pool.compile(two_steps())
    assert caught.value.code == AWAY
    program.start()
    assert pool.compile(two_steps()).info.sdk_label


@on_sqlite
def test_a_run_that_is_cancelled_while_its_runner_is_lost_is_cancelled(host):
    entered, cancelled = threading.Event(), threading.Event()

    def lost(request, helper):
        helper.on_cancel(lambda *_reason: cancelled.set())
        entered.set()
        assert cancelled.wait(WAIT_S)
        raise away("it ended with the program that started it")

    host.module.on_trigger = lost
    host.register()
    run_id = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
    assert entered.wait(WAIT_S)
    assert host.engine.cancel(run_id, "not wanted", WAIT_S).status == "cancelled"


@on_sqlite
def test_a_run_whose_runners_are_lost_again_and_again_ends_with_its_time(database):
    host = WorkflowHost(database, limits=EngineLimits(run_timeout_ms=1_200))
    attempts = []

    def lost(request, helper):
        attempts.append(helper.timeout_ms)
        raise away("it ended with the program that started it")

    host.module.on_trigger = lost
    host.register()
    run_id = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
    assert host.engine.wait(run_id, WAIT_S)[0].status == "timed_out"
    assert len(attempts) > 1
    assert attempts == sorted(attempts, reverse=True), "its time goes on while it waits"
    host.close()
