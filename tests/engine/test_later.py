"""Work that is due later: in its order, on few threads, and not at all once closed."""

import threading

from strongroom.engine.later import Later

WAIT_S = 20


def test_what_is_due_sooner_is_done_sooner():
    later, done, all_done = Later("test", 1), [], threading.Event()
    later.do(lambda: (done.append("later"), all_done.set()), delay_s=0.05)
    later.do(lambda: done.append("sooner"), delay_s=0.01)
    later.do(lambda: done.append("now"))
    assert all_done.wait(WAIT_S)
    assert done == ["now", "sooner", "later"]
    later.close()


def test_something_that_fails_keeps_nothing_else_from_being_done():
    later, done = Later("test", 1), threading.Event()
    later.do(lambda: 1 / 0)
    later.do(lambda: 1 / 0, delay_s=0.01)
    later.do(done.set, delay_s=0.02)
    assert done.wait(WAIT_S)
    later.close()


def test_once_closed_nothing_is_done():
    later, done = Later("test", 1), []
    later.do(lambda: done.append("waiting"), delay_s=0.05)
    later.close()
    later.do(lambda: done.append("after"))
    later.do(lambda: done.append("after"), delay_s=0.01)
    assert not later._due
    assert done == []
