"""Hooks of runs that are repeated or replayed, and payloads across hosts that end at any moment."""

import random
import threading

import pytest

from strongroom.engine.history import History
from strongroom.engine.hook_desk import HookDesk
from strongroom.engine.retry import Retries
from strongroom.errors import NotFound, StorageFault, StrongroomError, WrongState
from tests.fakes.hook_guest import HookGuest, asleep, started, waiting_with
from tests.fakes.scripted_guest import WAIT_S, types, until
from tests.fakes.workflow_host import WorkflowHost, value


@pytest.fixture
def desk(host):
    return HookDesk(host.host, host.engine)


@pytest.fixture
def retries(host):
    return Retries(host.host, History(host.host.journals), host.engine.admission)


def result(host, run_id):
    return host.engine.wait(run_id, WAIT_S)[1].result.value.string_value


def takes_three(request, helper):
    """Makes a hook and answers with its id and three payloads."""
    guest = HookGuest(helper)
    hook_id, _ = guest.create(1, token="t")
    words = [guest.wait_for(number, hook_id).decode() for number in (2, 3, 4)]
    return value(" ".join([hook_id, *words]))


def completed(host, desk):
    run_id = started(host, takes_three)
    asleep(host, run_id)
    for word in (b"one", b"two", b"three"):
        desk.resume(word, token="t")
    return run_id, result(host, run_id)


def test_a_run_that_is_repeated_from_its_start_makes_new_hooks(host, desk, retries):
    parent, said = completed(host, desk)
    child = retries.retry(parent, "", "").header.run_id
    asleep(host, child)
    for word in (b"x", b"y", b"z"):
        assert desk.resume(word, token="t").run_id == child
    words = result(host, child).split()
    assert words[1:] == ["x", "y", "z"]
    assert words[0] != said.split()[0]


def test_a_run_that_is_repeated_from_a_step_has_the_hooks_before_it_and_asks_for_what_it_has_not(host, desk, retries):
    parent, said = completed(host, desk)
    child = retries.retry(parent, "3", "").header.run_id
    asleep(host, child)
    report = desk.get(token="t")[1]
    assert report.row.run_id == child
    assert report.row.hook_id != said.split()[0], "others know it by an id of its own"
    left = [desk.resume(word, token="t").number for word in (b"again", b"last")]
    assert left == [2, 3], "the first payload came along"
    assert result(host, child) == f"{said.split()[0]} one again last"
    grandchild = retries.retry(child, "4", "").header.run_id
    asleep(host, grandchild)
    assert desk.resume(b"end", token="t").number == 3
    assert result(host, grandchild) == f"{said.split()[0]} one again end"


def test_a_hook_that_steps_before_disposed_of_stays_so(host, desk, retries):
    def disposing(request, helper):
        guest = HookGuest(helper)
        hook_id, _ = guest.create(1, token="t")
        guest.dispose(2, hook_id)
        guest.create(3, token="u")
        return value("done")

    run_id = started(host, disposing)
    assert result(host, run_id) == "done"
    child = retries.retry(run_id, "3", "").header.run_id
    assert result(host, child) == "done"
    assert types(host, child)[1:3] == ["hook_created", "hook_disposed"]
    with pytest.raises(NotFound):
        desk.get(token="t")


def test_a_run_is_not_repeated_from_a_step_when_others_have_its_token(host, desk, retries):
    parent, _ = completed(host, desk)
    holder = waiting_with(host, "t")
    with pytest.raises(WrongState, match=f"belongs to run {holder}") as caught:
        retries.retry(parent, "3", "")
    assert caught.value.code == "SR-HOOK-023"


@pytest.mark.parametrize("seed", range(3))
def test_whenever_the_host_ends_each_acknowledged_payload_is_delivered_once_and_in_order(database, seed):
    count, chance = 12, random.Random(seed)  # noqa: S311 - it chooses moments, no secrets

    def takes_all(request, helper):
        guest = HookGuest(helper, patience_s=0.03)
        hook_id, _ = guest.create(1, token="t")
        return value(" ".join(guest.wait_for(number, hook_id).decode() for number in range(2, count + 2)))

    hosts = [WorkflowHost(database)]
    run_id = started(hosts[0], takes_all)
    until(lambda: "step_completed" in types(hosts[0], run_id))
    done = threading.Event()

    def send():
        for number in range(count):
            while True:
                at = hosts[-1]
                try:
                    HookDesk(at.host, at.engine).resume(b"%d" % number, f"r-{number}", token="t")
                except (StorageFault, StrongroomError):
                    continue
                break
        done.set()

    threading.Thread(target=send, daemon=True).start()
    while not done.wait(chance.uniform(0.05, 0.3)):
        ends = hosts[-1]
        ends.host.journals.stop()
        ends.cut_off()
        after = WorkflowHost(database)
        after.module.on_trigger = takes_all
        after.engine.resume()
        hosts.append(after)
    assert result(hosts[-1], run_id) == " ".join(map(str, range(count)))
    for each in hosts:
        each.close()
