"""Which runner serves whom.

Rule 1: a runner serves one owner until it is recycled, so that nothing of one owner's guests is left for another's.
Rule 2: there are never more than ``runners_max``; one fresh runner is kept ready while there is room for it.
Rule 3: whoever finds none waits, until a time is up. Owners who wait are served in turn, those at whose work fewer are
first; of one owner who came first is served first.
Rule 4: an owner without any runner gets the next one; an owner who has one does not take another's while that owner
waits, nor its last one soon after it was used, and nobody loses a runner right after getting it. Starting a process
costs a hundred short runs.
Rule 5: of more than two runners the last free one is for a module that has none, so that one busy workflow does not
keep all others waiting; while other owners come and go it is for one of those who has none.
"""

import threading
import time
from concurrent.futures import Future

from strongroom.errors import Cancelled, StrongroomError, Unavailable
from strongroom.guest.cancellation import Cancellation
from strongroom.guest.neighbours import Neighbours
from strongroom.guest.runner_process import RunnerProcess
from strongroom.guest.spawner import Spawner
from strongroom.pb.strongroom.runner.v1 import runner_pb2
from strongroom.telemetry import logs

__all__ = ["Fleet"]

_LOG = logs.get(__name__)

RETRY_S = 1.0
"""After a failed start the next one waits this long: what failed once is likely to fail again at once."""

TENURE_S = 0.5
"""While its owner has more to run, a runner is left to it this long at least."""

SHARED_MAX = 2
"""Of so few runners none is kept for others: that would halve what one workflow can do."""

END_S = 5.0
"""How long runs may take to find that their runner was killed; it takes no time on a machine that is not overloaded."""

RUNS_MAX = 10_000
"""Runs after which a runner is recycled, whatever it may have leaked by then."""


class _Waiter:
    """Somebody who waits for a runner. ``called`` is set when there is one, and when waiting may be over otherwise."""

    def __init__(self, owner: str, module_key: str) -> None:
        self.owner = owner
        self.module_key = module_key
        self.runner: RunnerProcess | None = None
        self.called = threading.Event()


class Fleet:
    """The runners of a pool: fresh, idle and busy ones."""

    def __init__(self, spawner: Spawner, *, runners_max: int) -> None:
        self._spawner = spawner
        self._runners_max = runners_max
        self._changed = threading.Condition()
        self._idle: list[RunnerProcess] = []  # the least recently used one first
        self._busy: dict[RunnerProcess, tuple[str, str]] = {}  # and owner and module of what each executes
        self._starting = 0
        self._waiting: list[_Waiter] = []  # who came first is first
        self._neighbours = Neighbours()
        self._failed_s = float("-inf")
        self._failure: BaseException | None = None
        self._closed = False
        self.ready: runner_pb2.Ready | None = None
        """What the newest runner said of itself."""
        self.lacking = ""
        """Why the runner that was wanted last did not start; empty where it did."""

    def warm(self) -> None:
        """Have one fresh runner, if there is room."""
        with self._changed:
            self._keep_spare()

    def wait_ready(self, timeout_s: float) -> runner_pb2.Ready:
        """What runners say of themselves, once one has started. Raises ``Unavailable``."""
        with self._changed:
            if self.ready is None:
                self._keep_spare()
                self._changed.wait_for(lambda: self.ready or self._failure or self._closed, timeout_s)
            if self.ready is None:
                raise self._unavailable("no runner has started")
            return self.ready

    def acquire(self, owner: str, module_key: str, *, timeout_s: float, cancellation: Cancellation) -> RunnerProcess:
        """A runner for ``owner``, preferably one that has the module loaded.

        Raises ``Unavailable`` when there is none in time, and ``Cancelled``.
        """
        cancellation.check()
        deadline_s = time.monotonic() + timeout_s
        waiter = _Waiter(owner, module_key)
        cancellation.listen(lambda _reason, _grace_ms: waiter.called.set())
        with self._changed:
            self._waiting.append(waiter)
            self._match()
        while waiter.runner is None:
            with self._changed:
                problem = self._problem(waiter, deadline_s, timeout_s, cancellation)
                if problem is not None:
                    raise problem
            waiter.called.wait(min(max(deadline_s - time.monotonic(), 0.0), RETRY_S))
        return waiter.runner

    def release(self, runner: RunnerProcess, *, reusable: bool) -> None:
        """Take ``runner`` back, or bury it."""
        with self._changed:
            self._busy.pop(runner, None)
            keep = reusable and not self._closed and runner.runs < RUNS_MAX and runner.is_alive()
            if keep:
                self._idle.append(runner)
            else:
                self._keep_spare()
            self._match()
            self._changed.notify_all()
        if not keep:
            runner.bury()

    def alive(self) -> list[RunnerProcess]:
        """Those that there are now."""
        with self._changed:
            return [runner for runner in (*self._idle, *self._busy) if runner.is_alive()]

    def close(self) -> None:
        """Kill all of them. Runs in progress fail."""
        with self._changed:
            self._closed = True
            self._spawner.refuse()
            idle, self._idle = self._idle, []
            for runner in self._busy:
                runner.kill()
            for waiter in self._waiting:
                waiter.called.set()
            self._changed.notify_all()
        for runner in idle:
            runner.bury()
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._starting, END_S)

    def _problem(
        self, waiter: "_Waiter", deadline_s: float, timeout_s: float, cancellation: Cancellation
    ) -> Exception | None:
        """Why ``waiter`` must stop waiting, and then it does not wait any more; ``None`` when it may, or is served."""
        if waiter.runner is not None:
            return None
        problem: Exception | None = None
        try:
            cancellation.check()
        except Cancelled as cancelled:
            problem = cancelled
        if self._closed:
            problem = Unavailable("SR-GUEST-022", "the runner pool is closed", fix="the host is stopping")
        elif problem is None and time.monotonic() >= deadline_s:
            problem = self._unavailable(f"no runner was free within {timeout_s:.1f} s")
        if problem is not None:
            self._waiting.remove(waiter)
            return problem
        # What could not be had before may be had now: a tenure ends, and a start may be tried again.
        self._match()
        return None

    def _match(self) -> None:
        """Give idle runners to those who wait, owners in turn, and make what is missing."""
        for waiter in self._neighbours.in_turn(list(self._waiting), [owner for owner, _ in self._busy.values()]):
            if not self._idle and self._count() >= self._runners_max:
                return
            if not self._may_have_one(waiter.owner, waiter.module_key):
                continue
            runner = self._choose(waiter.owner, waiter.module_key)
            if runner is None:
                self._make_one(waiter.owner)
            else:
                self._hand_over(runner, waiter)

    def _hand_over(self, runner: RunnerProcess, waiter: "_Waiter") -> None:
        self._waiting.remove(waiter)
        self._idle.remove(runner)
        self._busy[runner] = (waiter.owner, waiter.module_key)
        self._neighbours.served(waiter.owner)
        if not runner.owner:
            runner.owner, runner.owned_s = waiter.owner, time.monotonic()
        runner.runs += 1
        waiter.runner = runner
        waiter.called.set()
        self._keep_spare()

    def _choose(self, owner: str, module_key: str) -> RunnerProcess | None:
        for dead in [runner for runner in self._idle if not runner.is_alive()]:
            self._idle.remove(dead)
            dead.bury()
        mine = [runner for runner in self._idle if runner.owner == owner]
        for runner in reversed(mine):
            if module_key in runner.modules:
                return runner
        if mine:
            return mine[-1]
        fresh = [runner for runner in self._idle if not runner.owner]
        may_take = not self._has_runner(owner) or all(map(self._has_runner, self._wanting()))
        return fresh[-1] if fresh and may_take else None

    def _make_one(self, owner: str) -> None:
        """Nothing fits: start a runner, in the place of another owner's if there is no room."""
        if self._count() < self._runners_max:
            if self._starting < len(self._wanting()):
                self._start()
            return
        victim = self._victim(owner)
        if victim is not None and not self._starting and self._may_start():
            self._idle.remove(victim)
            victim.bury()
            self._start()

    def _victim(self, owner: str) -> RunnerProcess | None:
        """The runner that is recycled for ``owner``: idle longest, and its owner does not need it now."""
        long_ago_s = time.monotonic() - TENURE_S
        poor, wanting = not self._has_runner(owner), self._wanting()
        for runner in self._idle:
            is_free = runner.owner not in wanting and (poor or not self._is_last_of_neighbour(runner))
            if is_free or (poor and runner.owned_s < long_ago_s):
                return runner
        return None

    def _is_last_of_neighbour(self, runner: RunnerProcess) -> bool:
        owners = [each.owner for each in (*self._idle, *self._busy)]
        return owners.count(runner.owner) == 1 and self._neighbours.is_near(runner.owner)

    def _may_have_one(self, owner: str, module_key: str) -> bool:
        if len(self._busy) < self._runners_max - 1 or self._runners_max <= SHARED_MAX:
            return True
        busy = self._busy.values()
        if (owner, module_key) in busy:
            return False
        at_work = {each for each, _ in busy}
        return owner not in at_work or not self._neighbours.is_near_without(at_work)

    def _wanting(self) -> list[str]:
        """Owners of those who wait and may have a runner now, one for each."""
        return [w.owner for w in self._waiting if self._may_have_one(w.owner, w.module_key)]

    def _has_runner(self, owner: str) -> bool:
        return any(runner.owner == owner for runner in (*self._idle, *self._busy))

    def _keep_spare(self) -> None:
        fresh = any(not runner.owner for runner in self._idle)
        if not fresh and not self._starting and not self._closed and self._count() < self._runners_max:
            self._start()

    def _count(self) -> int:
        return len(self._idle) + len(self._busy) + self._starting

    def _start(self) -> None:
        if not self._may_start():
            return
        self._starting += 1
        self._failure = None
        self._spawner.spawn().add_done_callback(self._started)

    def _may_start(self) -> bool:
        return time.monotonic() - self._failed_s >= RETRY_S

    def _started(self, future: Future[RunnerProcess]) -> None:
        late = None
        with self._changed:
            self._starting -= 1
            self._failure = future.exception()
            before, self.lacking = self.lacking, str(self._failure or "")
            if self._failure is not None:
                self._failed_s = time.monotonic()
                if not self._closed and self.lacking != before:  # it is tried every second
                    _LOG.error("a runner did not start", extra={"reason": str(self._failure)})
            else:
                runner = future.result()
                if self.ready is None and runner.ready.missing:
                    _LOG.warning("runners lack protections", extra={"missing": list(runner.ready.missing)})
                self.ready = runner.ready
                if self._closed:
                    late = runner
                else:
                    self._idle.append(runner)
                    self._match()
            self._changed.notify_all()
        if late is not None:
            late.bury()

    def _unavailable(self, what: str) -> StrongroomError:
        return Unavailable(
            "SR-GUEST-021",
            what,
            why=str(self._failure) if self._failure else "all of them are at work",
            fix="try again, or raise limits.runners_max",
            limit=self._runners_max,
            setting="limits.runners_max",
            retry_ms=1_000,
        )
