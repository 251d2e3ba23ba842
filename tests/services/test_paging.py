"""Page tokens come back as they were given out, or not at all."""

import base64

import pytest

from strongroom.errors import InvalidInput
from strongroom.services.paging import PLACE_MAX, decode_token, encode_token


def token(text):
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize("place", [0, 1, 1_800_000_000_000, PLACE_MAX])
def test_a_token_says_where_the_next_page_starts(place):
    assert decode_token(encode_token(place, "wrun_1|x")) == (place, "wrun_1|x")


def test_no_token_is_the_first_page():
    assert decode_token("") is None


@pytest.mark.parametrize(
    "place",
    ["1_0", "\u0661\u0662", " 1", "1 ", "+1", "-1", "", "1\n", "0x1", "1.0", str(PLACE_MAX + 1), "1" * 5_000],
)
def test_a_place_is_digits_and_nothing_else(place):
    with pytest.raises(InvalidInput, match="page token"):
        decode_token(token(f"{place}|wrun_1"))


@pytest.mark.parametrize(
    "untrusted", ["!", "MXw=\n", "M Xw=", "\u00fc", token("1"), "////", token("1|a\0b"), token("1|\n")]
)
def test_what_is_no_token_is_refused(untrusted):
    with pytest.raises(InvalidInput, match="page token"):
        decode_token(untrusted)
