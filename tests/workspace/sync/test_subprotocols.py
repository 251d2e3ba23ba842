"""What is offered, and what of it is ever echoed."""

import pytest

from strongroom.workspace.sync.subprotocols import Dialect, bearers, chosen, offer, parse


def test_a_client_offers_its_dialect_and_its_token_and_the_header_reads_back():
    header = ", ".join(offer(Dialect.EPICENTER, "abc"))
    assert header == "epicenter, bearer.abc"
    assert (chosen(parse([header])), bearers(parse([header]))) == (Dialect.EPICENTER, ("abc",))
    assert offer(Dialect.STRONGROOM, None) == ["strongroom"]


@pytest.mark.parametrize(
    ("lines", "dialect"),
    [
        (["bearer.abc"], None),
        (["chat, bearer.abc"], None),
        (["Epicenter"], None),
        (["bearer.epicenter"], None),
        (["x , strongroom,epicenter"], Dialect.STRONGROOM),
        (["bearer.a", "epicenter"], Dialect.EPICENTER),
        ([], None),
    ],
    ids=["a token alone", "unknown", "other case", "a token of that name", "first known", "two lines", "nothing"],
)
def test_only_a_known_dialect_is_chosen(lines, dialect):
    assert chosen(parse(lines)) is dialect


def test_two_bearers_are_both_seen_so_that_neither_counts():
    assert bearers(parse(["bearer.a, epicenter", "bearer.b"])) == ("a", "b")


def test_offers_beyond_what_a_client_needs_are_not_read():
    assert len(parse([",".join(f"x{number}" for number in range(1_000))])) <= 17
