"""A peer without keys that names arrays for ever: what those with keys wrote stays there, and is counted."""

import functools

import pycrdt
import pytest

from strongroom.workspace import stores
from tests.fakes.workspace_rig import exchange, fuji

JUNK = b"\x02\x01" + bytes(60)
ARRAYS_MAX = 100
"""A tenth of the limit that ships, which ``test_workspace.py`` meets: what is about numbers holds for smaller ones."""


@pytest.fixture(autouse=True)
def limit(monkeypatch):
    monkeypatch.setattr(stores, "ARRAYS_MAX", ARRAYS_MAX)


@functools.cache
def junk_arrays(count=ARRAYS_MAX + 20):
    """The update that names them; every test is sent the same one."""
    document = pycrdt.Doc()
    with document.transaction():
        for number in range(count):
            document.get(f"aaa{number}", type=pycrdt.Array).append({"key": "k", "val": JUNK, "ts": 1.0})
    return document.get_update()


def flood(workspace):
    workspace.document.apply_untrusted(junk_arrays())


def flooded():
    """A workspace as it is when it is opened again: an undefined table, and more junk arrays before it than may be."""
    before, peer, after = fuji(1), fuji(1), fuji(1)
    before.store("table:undefined").set("row", {"text": "ours"})
    exchange(before, peer)
    flood(peer)
    exchange(peer, after)
    return after


def test_an_array_of_ours_is_listed_and_read_whatever_stands_before_it():
    workspace = flooded()
    assert "table:undefined" in workspace.arrays()
    assert workspace.store("table:undefined").get("row") == {"text": "ours"}
    assert len(workspace.arrays()) == ARRAYS_MAX, "and junk fills the rest"


def test_the_key_that_it_needs_is_counted():
    assert flooded().versions()["table:undefined"] == {1: 1}


def test_every_array_that_is_listed_can_be_opened_and_then_new_ones_of_ours_too():
    workspace = flooded()
    for array in workspace.arrays():
        workspace.store(array)
    for number in range(5):
        workspace.store(f"table:new{number}").set("row", {"n": number})
    assert {f"table:new{number}" for number in range(5)} <= set(workspace.arrays())
    assert "table:undefined" in workspace.arrays()


def test_arrays_that_came_while_it_was_open_take_no_place_either():
    workspace, peer = fuji(1), fuji(1)
    flood(peer)
    exchange(peer, workspace)
    for array in workspace.arrays():
        workspace.store(array)
    peer.store("table:late").set("row", {"text": "of another device"})
    exchange(peer, workspace)
    assert workspace.store("table:late").get("row") == {"text": "of another device"}


def test_a_locked_workspace_lists_what_may_be_opened_and_no_more():
    workspace = flooded()
    workspace.lock()
    assert len(workspace.arrays()) == ARRAYS_MAX
