"""A reason says something, is short, and what was opened is in the log with it, before and after."""

import pytest

from strongroom.errors import InvalidInput
from strongroom.services.reasons import Opening, checked_reason


class Context:
    def peer(self):
        return "unix:"


@pytest.mark.parametrize("reason", ["", "why", "x" * 512], ids=["none", "short", "longest"])
def test_a_reason_or_none_is_taken(reason):
    assert checked_reason(reason) == reason


@pytest.mark.parametrize(
    ("reason", "code"), [("x" * 513, "SR-RUN-017"), (" ", "SR-RUN-040"), ("\n\t", "SR-RUN-040")], ids=repr
)
def test_a_reason_that_is_none_is_refused(reason, code):
    with pytest.raises(InvalidInput) as refused:
        checked_reason(reason)
    assert refused.value.code == code


def shown_until_it_fails(caplog):
    with Opening("log lines", "wrun_1", "ticket", Context()) as opening:
        assert [record.message for record in caplog.records] == ["sealed contents of a run are opened"]
        opening.shown = 3
        raise ZeroDivisionError


def test_what_is_opened_is_written_down_before_and_after_also_when_it_fails(caplog):
    with pytest.raises(ZeroDivisionError):
        shown_until_it_fails(caplog)
    last = caplog.records[-1]
    assert (last.message, last.shown) == ("sealed contents of a run were opened", 3)
    assert (last.run_id, last.reason, last.peer, last.what) == ("wrun_1", "ticket", "unix:", "log lines")
