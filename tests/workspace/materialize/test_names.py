"""Keys that peers choose become names that are safe on every file system, and never the same one twice."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.workspace.materialize.names import entry_name, view_name

TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=200)


@pytest.mark.parametrize("key", ["n1", "2026-11-22", "a_b", "x" * 80])
def test_a_plain_key_is_its_own_name(key):
    assert entry_name(key) == key


ODD = ["", ".", "..", "/", "../../etc/passwd", "a/b", "a\\b", "a\0b", "a~b", "a.md", "-rf", "n1\n", " n1", "N1", "é"]


@pytest.mark.parametrize("key", [*ODD, "con", "aux", "lpt0", "x" * 81, "\ud800"], ids=repr)
def test_any_other_key_is_mangled_and_carries_the_digest_of_the_whole(key):
    assert re.fullmatch(r"[a-z0-9_-]{1,40}~[0-9a-f]{32}", entry_name(key))


@given(TEXT, TEXT)
def test_two_keys_never_share_a_name_and_every_name_is_one_safe_segment(one, other):
    assert (entry_name(one) == entry_name(other)) == (one == other)
    assert re.fullmatch(r"[a-z0-9_-][a-z0-9_~-]{0,79}", entry_name(one))
    assert (view_name(one) == view_name(other)) == (one == other)
    assert re.fullmatch(r"[a-z0-9_-][a-z0-9_~-]{0,79}", view_name(one))


def test_tables_and_the_key_values_have_their_names_and_nothing_else_takes_them():
    assert view_name("table:notes") == "notes"
    assert view_name("kv") == "kv"
    for array in (
        "notes",
        "table:kv",
        "table:sqlite_master",
        "table:_problems",
        "table:",
        "TABLE:notes",
        "table:Notes",
    ):
        assert "~" in view_name(array), array
