"""Threads of a guest that was dropped: what they still do, and what they leave behind."""

import threading

from strongroom.engine.admission import Start
from strongroom.engine.limits import EngineLimits
from strongroom.errors import GuestSuspended
from tests.fakes.scripted_guest import ACTION, WAIT_S, Guest, Holding, adapted, call, until
from tests.fakes.workflow_host import OWNER, WorkflowHost, value


def run(host, on_trigger):
    host.module.on_trigger = on_trigger
    host.register()
    run_id = host.engine.start(Start(owner=OWNER, workflow="wf", json=b"1"))[0].run_id
    return host.engine.wait(run_id, WAIT_S)


class Counting:
    """Answers at once, and keeps what it was asked."""

    def __init__(self):
        self.references = []

    def execute(self, request, *, timeout_s):
        self.references.append(request.metadata.reference_id)
        return adapted(f"answer {len(self.references)}")


def test_a_step_is_sent_once_although_a_thread_of_a_guest_that_was_dropped_comes_to_it_late(host):
    counting = host.capabilities.found[ACTION] = Counting()
    hold, late = threading.Event(), threading.Event()
    guests = []

    def guest(request, helper):
        guests.append(helper)
        if len(guests) == 1:

            def slow():
                hold.wait(WAIT_S)
                helper.call_capability(call(1))
                late.set()

            threading.Thread(target=slow, daemon=True).start()
            raise GuestSuspended(capabilities=(1,), sleeps_done=0)
        first = Guest(helper).step(1)
        hold.set()
        assert late.wait(WAIT_S)
        return value(first)

    header, _ = run(host, guest)
    assert (header.status, counting.references) == ("completed", ["1"])


def test_guests_that_are_dropped_one_after_the_other_leave_no_thread_behind_that_waits(database):
    host = WorkflowHost(database, limits=EngineLimits(suspend_after_ms=1))
    holding = host.capabilities.found[ACTION] = Holding()
    threads, guests = [], []

    def guest(request, helper):
        guests.append(helper)
        if len(guests) < 5:
            # What a runner's host does: a thread for the call, which the guest does not live to see the end of.
            threads.append(threading.Thread(target=helper.call_capability, args=(call(1),), daemon=True))
            threads[-1].start()
            if len(guests) == 1:
                assert holding.entered.acquire(timeout=WAIT_S)
            raise GuestSuspended(sleeps_done=0, sleep_until_unix_ns=1)
        until(lambda: not any(thread.is_alive() for thread in threads[1:]))
        assert threads[0].is_alive(), "it is the one that makes the call"
        holding.released.set()
        return value(Guest(helper).step(1))

    header, _ = run(host, guest)
    assert (header.status, holding.references) == ("completed", ["1"])
    host.close()
