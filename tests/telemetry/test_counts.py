"""Hot counters have few labels, count right from many threads, and cost a run next to nothing."""

import threading
import timeit

from strongroom.telemetry.counts import NAMES_MAX, OTHER, RUN_BOUNDS_S, Counts

RUN_US_MAX = 20.0
"""Ten times what was promised, since the machine of a test may be busy with others."""


def test_runs_are_counted_by_how_they_ended():
    counts = Counts()
    counts.run_started()
    counts.run_finished("completed", 0.2)
    counts.run_finished("failed", -1.0)
    counts.run_finished("a run id", 1e9)
    assert counts.started == 1
    assert counts.finished == {"cancelled": 0, "completed": 1, "failed": 1, "timed_out": 0, OTHER: 1}
    spread = counts.durations
    assert spread.bounds == RUN_BOUNDS_S
    assert sum(spread.buckets) == 3
    assert (spread.buckets[0], spread.buckets[-1]) == (1, 1), "a clock that was set back counts as no time"
    assert spread.sum == 0.2 + 1e9


def test_capabilities_and_codes_beyond_those_that_are_known_share_a_label():
    counts = Counts()
    for number in range(NAMES_MAX + 10):
        counts.called(f"plugin-{number}@1.0.0", "ok", 0.001)
        counts.called(f"plugin-{number}@1.0.0", f"Invented{number}", 0.001)
    assert len(counts.calls) == 2 * (NAMES_MAX + 1)
    assert sum(counts.calls[OTHER, "ok"].buckets) == 10
    assert sum(counts.calls[OTHER, OTHER].buckets) == 10


def test_what_does_not_open_counts_by_its_reason():
    counts = Counts()
    for reason in ("tampered", "tampered", "key_missing", "whatever"):
        counts.not_opened(reason)
    assert counts.faults == {"key_missing": 1, "not_ours": 0, "tampered": 2, OTHER: 1}


def test_no_count_is_lost_between_threads():
    counts, threads_n, each_n = Counts(), 8, 2_000

    def work():
        for _ in range(each_n):
            counts.run_started()
            counts.called("a@1.0.0", "ok", 0.01)

    threads = [threading.Thread(target=work) for _ in range(threads_n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts.started == sum(counts.calls["a@1.0.0", "ok"].buckets) == threads_n * each_n


def test_a_run_with_a_call_pays_microseconds_for_all_of_its_counters():
    counts = Counts()

    def run():
        counts.run_started()
        counts.called("a@1.0.0", "ok", 0.01)
        counts.run_finished("completed", 0.2)

    rounds = 2_000
    assert min(timeit.repeat(run, number=rounds, repeat=5)) / rounds * 1e6 < RUN_US_MAX
