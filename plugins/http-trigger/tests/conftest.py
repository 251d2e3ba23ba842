"""A trigger, and someone whose key it takes."""

import pytest

from tests.fakes.http_caller import Caller
from tests.fakes.trigger_rig import Rig


@pytest.fixture
def make_rig():
    made = []

    def make(*arguments, **settings):
        made.append(Rig(*arguments, **settings))
        return made[-1]

    yield make
    for rig in made:
        rig.book.close()


@pytest.fixture
def caller():
    return Caller()


@pytest.fixture
def rig(make_rig, caller):
    """A plugin where WORKFLOW listens to ``caller``."""
    made = make_rig()
    made.listen(caller.address)
    return made
