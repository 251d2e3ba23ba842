"""The figures that the promises came to; ``tests/conftest.py`` prints them when the tests are over."""

import pytest


@pytest.fixture
def figure(record_property):
    """``figure(promise, demanded, measured)`` adds a line to the table at the end."""
    return lambda promise, demanded, measured: record_property("promise", (promise, demanded, measured))
