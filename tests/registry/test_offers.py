"""What a plugin offers, while another one stands by to offer the same."""

import pytest

from strongroom.registry.limits import CallLimits
from strongroom.registry.offers import Offers
from strongroom.settings.manifest import PluginEntry

KEPT, OTHER = "kept@1.0.0", "other@1.0.0"
ENTRY = PluginEntry(name="feed", command=("feed",), config={})


class Registrations:
    """Stands for the registry: what became of each place, in order."""

    def __init__(self):
        self.moves = []

    def add(self, offer):
        self.moves.append(("add", offer.id))

    def suspend(self, capability_id, *, is_replaced=False):
        self.moves.append(("waits for another" if is_replaced else "waits for itself", capability_id))

    def remove(self, capability_id):
        self.moves.append(("remove", capability_id))


@pytest.fixture
def registry():
    return Registrations()


@pytest.fixture
def offers(registry):
    made = Offers(ENTRY, registry, CallLimits(), kept_for={KEPT})
    for capability_id in (KEPT, OTHER):
        made.add(capability_id, "action", "", executable=None, trigger=None)
    registry.moves.clear()
    return made


def test_while_another_one_stands_by_callers_of_what_that_offers_wait_for_it(registry, offers):
    offers.suspend()
    assert registry.moves == [("waits for another", KEPT), ("waits for itself", OTHER)]
    registry.moves.clear()
    offers.remove(KEPT)
    offers.remove(OTHER)
    assert registry.moves == [("waits for another", KEPT), ("remove", OTHER)]


def test_once_it_has_taken_the_place_nobody_waits_for_another_one(registry, offers):
    assert offers.take_place() == (KEPT, OTHER)
    offers.suspend()
    offers.remove(KEPT)
    assert registry.moves == [("waits for itself", KEPT), ("waits for itself", OTHER), ("remove", KEPT)]
