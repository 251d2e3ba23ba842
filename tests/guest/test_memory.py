"""What a process takes of the memory is read where it may be, and nothing elsewhere."""

import os

from strongroom.guest.memory import resident_bytes


def test_the_memory_of_a_process_is_read_and_that_of_none_is_nothing():
    assert resident_bytes(os.getpid()) > 1_000_000
    assert resident_bytes(0) == 0
    assert resident_bytes(2**22 + 1) == 0


def test_a_pool_counts_that_of_its_runners(make_pool):
    pool = make_pool(runners_max=1)
    pool.start()
    assert pool.report().alive == 1
    assert pool.memory_bytes() > 1_000_000
