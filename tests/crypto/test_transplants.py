"""What was sealed at one place opens at no other: every place against every place, with one and the same key."""

import dataclasses
import itertools

import pytest

from strongroom.crypto import srn1
from strongroom.crypto.keys import Key
from strongroom.crypto.srn1 import Place
from strongroom.crypto.workspace_blob import ValuePlace, open_placed, seal_placed
from strongroom.errors import Tampered
from tests.faults.figures import record

KEY = Key(bytes(range(32)))
RUN = Place("wrun_1", "step_completed", "step_1", "result", 7, False, bytes(16))
VALUE = ValuePlace("alice", "epicenter-fuji", "table:tabs", "tab-1", 1_764_000_000_000)
# Run, step, direction (which event, which field), index in the stream, its end, and what came before.
RUN_OTHERS = {
    "run_id": "wrun_2",
    "event_type": "step_created",
    "correlation_id": "step_2",
    "field": "input",
    "index": 8,
    "final": True,
    "previous_tag": bytes(15) + b"\x01",
}
# Workspace (whose, and which), store, key, time.
VALUE_OTHERS = {"owner_id": "bob", "guid": "epicenter-fuji2", "array": "kv:tabs", "key": "tab-2", "ts_ms": 1}


def places(first, others):
    """Every place that differs from ``first`` in any set of parts, ``first`` among them."""
    for count in range(len(others) + 1):
        for names in itertools.combinations(others, count):
            yield dataclasses.replace(first, **{name: others[name] for name in names})


KINDS = {
    "run data": (
        list(places(RUN, RUN_OTHERS)),
        lambda place: srn1.seal(KEY, 1, place, b"value"),
        lambda place, blob: srn1.open_sealed(lambda _version: KEY, place, blob),
    ),
    "workspaces": (
        list(places(VALUE, VALUE_OTHERS)),
        lambda place: seal_placed(KEY, 1, b"value", place),
        lambda place, blob: open_placed(KEY, blob, place),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_nothing_opens_where_it_was_not_sealed(name):
    found, seal, opened = KINDS[name]
    blobs = [(place, seal(place)) for place in found]
    refused, accepted = 0, []
    for (origin, blob), place in itertools.product(blobs, found):
        if origin == place:
            assert opened(place, blob) == b"value"
            continue
        try:
            opened(place, blob)
        except Tampered:
            refused += 1
        else:
            accepted.append((origin, place))
    pairs = len(found) * (len(found) - 1)
    what = f"{len(found)} places of {name}, each against each"
    record("K3", what, demanded="all refused", measured=f"{refused} of {pairs}", met=refused == pairs)
    assert accepted == []
    assert refused == pairs
