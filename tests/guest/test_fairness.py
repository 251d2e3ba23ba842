"""One workflow does not take every runner while others wait."""

import threading

import pytest

from strongroom.errors import Unavailable
from tests.guest.running import Calling, calling, execute, text_of
from tests.guests.host import PretendedHost


class Holding:
    """Runs of one guest that hold their runners until ``release`` is set."""

    def __init__(self, pool, count, *, owner="a"):
        self.release = threading.Event()
        self._inside = threading.Semaphore(0)
        self._module = calling().wasm()
        self._pool, self._owner = pool, owner
        self._threads = [threading.Thread(target=self._run) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        def hold(_self, _request):
            self._inside.release()
            self.release.wait(30)

        execute(self._pool, "", owner=self._owner, module=self._module, host=Calling(hold, timeout_ms=60_000))

    def wait_inside(self, count):
        for _ in range(count):
            assert self._inside.acquire(timeout=60)

    def one_more_is_inside(self):
        return self._inside.acquire(timeout=0.2)

    def join(self):
        self.release.set()
        for thread in self._threads:
            thread.join(30)


@pytest.fixture
def holding():
    held = []

    def hold(*arguments, **options):
        held.append(Holding(*arguments, **options))
        return held[-1]

    yield hold
    for runs in held:
        runs.join()


@pytest.mark.parametrize("owner", ["a", "b"], ids=["of the same owner", "of another owner"])
def test_the_last_runner_is_for_a_module_that_has_none(make_pool, holding, owner):
    pool = make_pool(runners_max=3)
    busy = holding(pool, 6)
    busy.wait_inside(2)
    assert text_of(execute(pool, "config", owner=owner, host=PretendedHost(timeout_ms=20_000))) == b"config"
    assert not busy.one_more_is_inside()


def test_who_has_runners_enough_waits_for_one_of_its_own(make_pool, holding):
    pool = make_pool(runners_max=3)
    busy = holding(pool, 4)
    busy.wait_inside(2)
    busy.release.set()
    busy.wait_inside(2)


def test_of_two_runners_none_is_kept(make_pool, holding):
    busy = holding(make_pool(runners_max=2), 2)
    busy.wait_inside(2)


def test_two_modules_share_what_there_is(make_pool, holding):
    pool = make_pool(runners_max=3)
    busy = holding(pool, 4)
    busy.wait_inside(2)
    other = holding(pool, 1, owner="b")
    other.wait_inside(1)
    with pytest.raises(Unavailable, match="no runner was free"):
        execute(pool, "config", owner="c", host=PretendedHost(timeout_ms=100))
