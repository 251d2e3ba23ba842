"""Threads for calls: as many as needed, never more than allowed."""

import threading

from strongroom.guest.workers import Workers


def test_as_many_jobs_run_at_once_as_there_may_be_threads():
    workers = Workers(3, name="test")
    together = threading.Barrier(4)
    for _ in range(3):
        workers.submit(lambda: together.wait(10))
    together.wait(10)
    workers.close()


def test_what_is_too_much_waits_its_turn():
    workers = Workers(2, name="test")
    release, most, running = threading.Event(), [0], [0]
    lock, done = threading.Lock(), threading.Semaphore(0)

    def job():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        release.wait(10)
        with lock:
            running[0] -= 1
        done.release()

    for _ in range(20):
        workers.submit(job)
    release.set()
    for _ in range(20):
        assert done.acquire(timeout=60)
    assert most[0] <= 2
    workers.close()


def test_an_idle_thread_is_used_again():
    workers = Workers(100, name="test-reuse")
    for _ in range(50):
        done = threading.Event()
        workers.submit(done.set)
        assert done.wait(10)
    alive = [t for t in threading.enumerate() if t.name == "test-reuse"]
    assert len(alive) < 50
    workers.close()


def test_after_the_end_nothing_starts():
    workers = Workers(1, name="test")
    workers.close()
    ran = threading.Event()
    workers.submit(ran.set)
    assert not ran.is_set()


def test_one_kind_does_not_take_every_thread():
    workers = Workers(4, name="test")
    release, inside, other = threading.Event(), threading.Semaphore(0), threading.Event()

    def hang():
        inside.release()
        release.wait(20)

    for _ in range(10):
        workers.submit(hang, kind="hangs")
    for _ in range(3):
        assert inside.acquire(timeout=60)
    workers.submit(other.set, kind="other")
    assert other.wait(10)
    assert not inside.acquire(blocking=False)
    release.set()
    for _ in range(7):
        assert inside.acquire(timeout=60)
    workers.close()


def test_kinds_take_turns():
    workers = Workers(1, name="test")
    ran, begin, done = [], threading.Event(), threading.Semaphore(0)
    workers.submit(lambda: begin.wait(10))
    for kind in "aaabbc":
        workers.submit(lambda kind=kind: (ran.append(kind), done.release()), kind=kind)
    begin.set()
    for _ in range(6):
        assert done.acquire(timeout=60)
    assert ran == list("abcaba")
    workers.close()
