"""The program without keys, beside which sealing is measured, takes what the real one takes."""

import inspect

import pytest

from bench.unsealed import STAND_INS


def shape(function):
    """How it can be called: names only of what is given by name."""
    parameters = inspect.signature(function).parameters.values()
    by_name = {each.name for each in parameters if each.kind is each.KEYWORD_ONLY}
    return len(parameters), by_name


@pytest.mark.parametrize(("owner", "name"), STAND_INS, ids=lambda each: getattr(each, "__name__", each))
def test_what_stands_for_a_door_is_called_like_it(owner, name):
    assert shape(STAND_INS[owner, name]) == shape(getattr(owner, name))
