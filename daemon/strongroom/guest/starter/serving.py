"""The loop of ``strongroom-runner``: one thread, which starts every runner and lives as long as they do.

A runner asks the kernel to be killed when the thread that started it ends. So whatever ends this program ends them.
"""

import os
import selectors
import time
from collections.abc import Sequence
from typing import Final

from strongroom.guest.starter.doors import Door, NobodyLeft
from strongroom.guest.starter.order import OrderedRunner, refuse
from strongroom.telemetry import logs

__all__ = ["Serving"]

_LOG: Final = logs.get("runner")

FULL_WAIT_S: Final = 0.1
"""After a connection could not be taken for want of descriptors the next one waits for this long."""


class Serving:
    """Serves until nobody is left behind any door. There are at most ``runners_max`` connections at a time."""

    def __init__(self, doors: Sequence[Door], *, runners_max: int) -> None:
        self._runners_max = runners_max
        self._orders: set[OrderedRunner] = set()
        self._selector = selectors.DefaultSelector()
        for door in doors:
            self._selector.register(door, selectors.EVENT_READ, lambda door=door: self._open(door))

    def run(self) -> None:
        """Return when the first door is closed for good: its other end started this program, and is gone."""
        try:
            while True:
                for key, _events in self._selector.select(self._patience_s()):
                    # What one event was about may be closed by the one before, and its number be another's.
                    if self._selector.get_map().get(key.fd) is key:
                        key.data()
                self._hang_up_on_the_silent()
        except NobodyLeft:
            _LOG.info("whoever started this program is gone")
        finally:
            self._close()

    def _open(self, door: Door) -> None:
        try:
            connection = door.take()
        except OSError as problem:
            _LOG.error("a connection could not be taken", extra={"reason": str(problem)})
            time.sleep(FULL_WAIT_S)  # it stands there still, and would be looked at again and again
            return
        if connection is None:
            return
        if len(self._orders) >= self._runners_max:
            why = f"{self._runners_max} runners run already (--runners-max)"
            _LOG.warning("an order was refused", extra={"reason": why})
            refuse(connection, why)
            connection.close()
            return
        order = OrderedRunner(connection)
        self._orders.add(order)
        self._selector.register(order, selectors.EVENT_READ, lambda: self._read(order))

    def _read(self, order: OrderedRunner) -> None:
        had_child = order.child is not None
        # Before it is closed, when its number may be that of another one already.
        key = self._selector.unregister(order)
        if order.read():
            self._selector.register(order, selectors.EVENT_READ, key.data)
        if order.child is not None and not had_child:
            self._watch(order, order.child.pid)
        self._drop_if_over(order)

    def _watch(self, order: OrderedRunner, pid: int) -> None:
        ended = os.pidfd_open(pid)

        def has_ended() -> None:
            self._selector.unregister(ended)
            os.close(ended)
            if order in self._selector.get_map():
                self._selector.unregister(order)
            order.ended()
            self._drop_if_over(order)

        self._selector.register(ended, selectors.EVENT_READ, has_ended)

    def _hang_up_on_the_silent(self) -> None:
        now_s = time.monotonic()
        for order in [each for each in self._orders if each.child is None and each.deadline_s <= now_s]:
            self._selector.unregister(order)
            order.refuse("no order came in time")
            self._drop_if_over(order)

    def _patience_s(self) -> float | None:
        waiting = [order.deadline_s for order in self._orders if order.child is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _drop_if_over(self, order: OrderedRunner) -> None:
        if order.is_over:
            self._orders.discard(order)

    def _close(self) -> None:
        for order in self._orders:
            order.abandon()
        self._selector.close()
