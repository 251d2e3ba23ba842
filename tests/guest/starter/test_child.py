"""The process of a runner: what it is given of the program that starts it."""

import os
import sys

from strongroom.guest.starter.child import NICE, Child
from tests.fakes.pool_program import WAIT_S


def test_a_runner_has_nothing_of_the_program_not_even_the_directory_where_it_was_started(tmp_path, monkeypatch):
    told = tmp_path / "told.sh"
    told.write_text('#!/bin/sh\npwd >&2\necho "$1 $2 $3 $HOME" >&2\n')
    told.chmod(0o700)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(told))
    child = Child("a.program")
    assert child.wait(WAIT_S) == 0
    assert child.last_words().splitlines() == ["/", "-I -m a.program"]
    child.close()


def test_a_runner_gives_way_to_the_program_that_started_it(tmp_path, monkeypatch):
    lasts = tmp_path / "lasts.sh"
    lasts.write_text("#!/bin/sh\nexec sleep 600\n")
    lasts.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(lasts))
    child = Child("a.program")
    try:
        mine = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, child.pid) == min(mine + NICE, 19)
    finally:
        child.kill()
        child.wait()
        child.close()
