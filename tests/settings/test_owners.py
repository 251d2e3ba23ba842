"""The section ``owners``: numbers for every owner, and of some alone."""

import pytest
from pydantic import ValidationError

from strongroom.engine.owner_limits import OwnerLimits
from strongroom.settings.owners import NAMES, OwnerSettings

A, B = "a" * 40, "b" * 40


def test_what_is_built_without_settings_has_the_same_numbers():
    assert OwnerSettings().of_every_owner() == {name: getattr(OwnerLimits(), name) for name in NAMES}


def test_an_owner_with_a_number_of_its_own_has_the_others_of_everybody():
    settings = OwnerSettings(
        starts_per_s=7, overrides=[f"0x{A.upper()} starts_burst=5 runs_queued_max=9", f"{B} starts_per_s=0"]
    )
    found = settings.of_some()
    assert (found[A]["starts_per_s"], found[A]["starts_burst"], found[A]["runs_queued_max"]) == (7, 5, 9)
    assert found[B] == {**settings.of_every_owner(), "starts_per_s": 0}


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([A], "write an owner and its numbers"),
        ([f"{A}1 starts_per_s=1"], "write an owner and its numbers"),
        ([f"{A} starts_per_s=-1"], "write an owner and its numbers"),
        ([f"{A} starts_per_s=10000000"], "write an owner and its numbers"),
        ([f"{A} starts_per_s=1\n"], "write an owner and its numbers"),
        ([f"{A} starts=1"], "starts is no limit of an owner"),
        ([f"{A} starts_burst=0"], "starts_burst must be 1 to"),
        ([f"{A} starts_per_s=1000001"], "starts_per_s must be 0 to"),
        ([f"{A} starts_per_s=1 starts_per_s=2"], "stands there twice"),
        ([f"{A} starts_per_s=1", f"0x{A} starts_per_s=2"], "has two entries"),
        ([f"{n:040x} starts_per_s=1" for n in range(1001)], "1001 entries are more than 1000"),
    ],
    ids=["no number", "no owner", "negative", "too many digits", "a line end", "unknown name", "nothing at once",
         "too large", "twice", "two entries", "too many"],
)  # fmt: skip
def test_what_is_not_meant_so_is_refused(entries, why):
    with pytest.raises(ValidationError, match=why):
        OwnerSettings(overrides=entries)
