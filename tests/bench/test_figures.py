"""The arithmetic of the benchmarks: what is printed is what was measured. Nothing here is timed."""

import pytest

from bench.figures import Row, Samples, in_turns, table


@pytest.mark.parametrize(
    ("count", "p50", "p99"),
    [(1, 1, 1), (2, 1, 2), (4, 2, 4), (100, 50, 99), (101, 51, 100), (1000, 500, 990)],
)
def test_percentiles_are_by_nearest_rank_whatever_the_order(count, p50, p99):
    samples = Samples([float(number) for number in range(count, 0, -1)], warm_up=0)
    assert (samples.p50, samples.p99) == (p50, p99)


def test_sides_take_turns_and_the_first_of_a_turn_is_dropped():
    calls = []

    def side(name):
        def once():
            calls.append(name)
            return float(len(calls))

        return once

    taken = in_turns({"a": side("a"), "b": side("b")}, warm_up=1, count=4, budget_s=60, block=2)
    assert calls == [*"ab", *"aaabbb", *"bbbaaa"]
    assert list(taken["a"].seconds) == [4, 5, 13, 14]
    assert list(taken["b"].seconds) == [7, 8, 10, 11]


def test_no_further_turn_begins_once_the_time_is_over():
    taken = in_turns({"a": lambda: 1.0}, warm_up=0, count=1000, budget_s=0, block=5)
    assert len(taken["a"].seconds) == 5


def test_a_row_says_whether_it_is_met():
    rows = [
        Row(what="fast", demanded="≤ 1", measured="0.5", met=True, samples=Samples([0.001, 0.002], 3)),
        Row(what="slow", demanded="≤ 1", measured="2", met=False),
        Row(what="  beside it", measured="1"),
    ]
    assert [row.verdict for row in rows] == ["met", "missed", ""]
    lines = table(rows).splitlines()
    assert lines[2].split() == ["fast", "≤", "1", "0.5", "met", "1.00", "2.00", "2", "3"]
    assert lines[3].split() == ["slow", "≤", "1", "2", "missed"]
    assert rows[0].document()["seconds"] == [0.001, 0.002]
    assert rows[2].document()["verdict"] == "informative"
