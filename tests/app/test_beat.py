"""A beat is as old as the last turn that came back, and a host whose work stands still is wedged after a minute."""

import threading

from strongroom.app.beat import WEDGED_S, Beat


class Work:
    """Goes round as a test says, and tells when it did."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.turns = threading.Semaphore(0)

    def go_round(self, given_up):
        answer = self.answers.pop(0) if self.answers else False
        self.turns.release()
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_turn_that_comes_back_makes_the_beat_young_again_and_others_do_not(caplog):
    now = [1000.0]
    work = Work(True, False, RuntimeError("out of order"))
    beat = Beat(work.go_round, every_s=0.001, clock=lambda: now[0])
    now[0] += 500
    assert beat.is_wedged, "control: it is as old as its making"
    beat.start()
    for _ in range(5):
        assert work.turns.acquire(timeout=60)
    assert beat.age_s == 0
    now[0] += WEDGED_S
    assert (beat.age_s, beat.is_wedged) == (WEDGED_S, False)
    now[0] += 1
    assert beat.is_wedged
    beat.close()
    assert "the work of this host could not be looked at" in caplog.messages


def test_a_host_that_waits_for_no_turn_any_more_is_not_wedged():
    now = [0.0]
    beat = Beat(lambda given_up: False, clock=lambda: now[0])
    now[0] += 10 * WEDGED_S
    beat.close()
    assert (beat.age_s, beat.is_wedged) == (0, False)
