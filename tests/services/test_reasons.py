"""A reason says something, is short, and what was opened is on record with it, before and after."""

import pytest

from strongroom.errors import InvalidInput, Unavailable
from strongroom.services.reasons import Opening, checked_reason
from tests.fakes.audit_book import AuditBook
from tests.fakes.rows import run_row

RUN = run_row(run_id="wrun_1", workflow_owner="0a" * 20)


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


def shown_until_it_fails(book):
    with Opening(book, "run.decrypt", RUN, "log lines", "ticket") as opening:
        assert book.told() == [("run.decrypt", "wrun_1", "begun")]
        opening.shown = 3
        raise ZeroDivisionError


def test_what_is_opened_is_written_down_before_and_after_also_when_it_fails():
    book = AuditBook()
    with pytest.raises(ZeroDivisionError):
        shown_until_it_fails(book)
    first, last = book.records
    assert (first.owner, first.reason, first.facts) == ("0a" * 20, "ticket", {"fields": "log lines"})
    assert (last.outcome, last.facts) == ("failed", {"fields": "log lines", "shown": 3})


def test_nothing_is_shown_that_cannot_be_written_down():
    shown = []
    book = AuditBook(fails=True)
    with pytest.raises(Unavailable) as refused, Opening(book, "run.decrypt", RUN, "log lines", "ticket"):
        shown.append("a secret")
    assert (refused.value.code, shown) == ("SR-AUDIT-010", [])
