"""The text of a failed call: both ways, and what may leave the machine."""

import itertools

import pytest

from strongroom.errors import CapabilityError, LimitExceeded, NotFound, Unavailable
from strongroom.plugin.error_text import (
    CODES,
    HIDDEN_MESSAGE,
    error_of,
    format_error,
    parse_error,
    readable,
    remote_form,
)


def parts(error: CapabilityError) -> tuple[str, str, str, str]:
    return (error.visibility, error.origin, error.name, error.message)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Public:User:InvalidArgument:bad: url", ("Public", "User", "InvalidArgument", "bad: url")),
        ("failed to execute capability: some error occurred", None),
        ("Public:System:Unknown", None),
        ("", None),
        ("InvalidVisibility:User:Unknown:x", ("Private", "User", "Unknown", "x")),
        ("Public:Nobody:Unknown:x", ("Public", "System", "Unknown", "x")),
        ("Public:System:InvalidErrorCode:x", ("Public", "System", "Unknown", "x")),
        ("Public:User:NotFound:", ("Public", "User", "NotFound", "")),
    ],
)
def test_a_text_is_read_as_the_table_says(text, expected):
    assert parts(parse_error(text)) == (expected or ("Private", "System", "Unknown", text))


@pytest.mark.parametrize(("visibility", "origin"), list(itertools.product(("Public", "Private"), ("User", "System"))))
def test_every_combination_comes_back(visibility, origin):
    for name in CODES:
        for message in ("", "plain", "a:b::c", "line\nline", "ü"):
            error = CapabilityError(visibility, origin, name, message)
            assert parts(parse_error(format_error(error))) == parts(error)


def test_the_codes_are_the_contracts():
    assert sorted(CODES.values()) == [*range(1, 17), 100, 101, 102]
    assert readable(CapabilityError("Public", "User", "LimitExceeded", "too big")) == "[101]LimitExceeded: too big"


def test_a_private_message_does_not_leave_the_machine():
    private = CapabilityError("Private", "User", "Internal", "the password is 1234")
    assert parts(remote_form(private)) == ("Private", "User", "Internal", HIDDEN_MESSAGE)
    public = CapabilityError("Public", "User", "Internal", "bad url")
    assert remote_form(public) is public


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (ValueError("x"), ("Private", "System", "Unknown", "ValueError: x")),
        (NotFound("SR-X-001", "no such key"), ("Public", "User", "NotFound", "no such key")),
        (LimitExceeded("SR-X-001", "too big"), ("Public", "User", "LimitExceeded", "too big")),
        (Unavailable("SR-X-001", "later"), ("Public", "System", "Unavailable", "later")),
        (SystemExit(0), ("Private", "System", "Unknown", "SystemExit: 0")),
    ],
    ids=["foreign", "not found", "limit", "unavailable", "exit"],
)
def test_what_a_plugin_raises_becomes_an_error(raised, expected):
    assert parts(error_of(raised)) == expected
