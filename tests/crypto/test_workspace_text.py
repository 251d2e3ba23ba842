"""Text as JavaScript turns it into bytes and back."""

import pytest

from strongroom.crypto.workspace_text import text_bytes, text_of


@pytest.mark.parametrize(
    ("text", "raw"),
    [
        ("\ud800", b"\xef\xbf\xbd"),
        ("a\udc00\ud800b", b"a\xef\xbf\xbd\xef\xbf\xbdb"),
        ("\ud83d\udd10", "🔐".encode()),
        ("\ud83d\ud83d\udd10", b"\xef\xbf\xbd" + "🔐".encode()),
        ("\ufeffé", b"\xef\xbb\xbf\xc3\xa9"),
    ],
    ids=["alone", "in the wrong order", "a pair", "half and a pair", "mark"],
)
def test_halves_of_a_pair_are_joined_or_replaced(text, raw):
    assert text_bytes(text) == raw


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\xef\xbb\xbfa", "a"),
        (b"\xef\xbb\xbf\xef\xbb\xbfa", "\ufeffa"),
        (b"a\xef\xbb\xbf", "a\ufeff"),
        (b"\xff", "\ufffd"),
        (b"\xf0\x9f\x92", "\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xc0\x80", "\ufffd\ufffd"),
    ],
    ids=["mark", "two marks", "mark at the end", "no UTF-8", "cut", "surrogate", "too long"],
)
def test_one_mark_is_dropped_and_what_is_no_utf8_is_replaced(raw, text):
    assert text_of(raw) == text
