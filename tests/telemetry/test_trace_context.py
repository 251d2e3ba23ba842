"""A traceparent from outside is believed when it has the form of the standard, and is nothing otherwise."""

import threading
from contextvars import copy_context

import pytest

from strongroom.telemetry.trace_context import checked, current, given, within

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "untrusted",
    [
        "",
        None,
        GOOD.encode(),
        GOOD.upper(),
        GOOD + "-more",
        GOOD + "\n",
        "ff" + GOOD[2:],
        "01" + GOOD[2:],
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
        "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "x" * 10_000,
    ],
    ids=repr,
)
def test_what_is_no_traceparent_is_none(untrusted):
    assert checked(untrusted) == ""


def test_one_in_the_metadata_of_a_call_is_taken_and_two_are_none():
    assert given([("other", "x"), ("traceparent", GOOD)]) == GOOD
    assert given([("traceparent", GOOD), ("traceparent", GOOD)]) == ""
    assert given(None) == given([]) == ""


def test_it_holds_inside_of_its_block_and_for_threads_that_are_given_it():
    seen = []
    with within(GOOD):
        with within(""):
            assert current() == ""
        assert current() == GOOD
        threads = [
            threading.Thread(target=lambda: seen.append(current())),
            threading.Thread(target=copy_context().run, args=(lambda: seen.append(current()),)),
        ]
        for thread in threads:
            thread.start()
            thread.join()
    assert seen == ["", GOOD]
    assert current() == ""
