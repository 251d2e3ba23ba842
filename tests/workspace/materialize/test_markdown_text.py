"""An entry as a markdown file: any YAML reader gets its members back, and its body to the byte."""

import json

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from strongroom.workspace.materialize.markdown_text import MARK, text_of
from strongroom.workspace.materialize.shape import Problem, Shown

SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    SCALARS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


def parts(text):
    """The front matter, read by a YAML reader that is not ours, and the body."""
    assert text.startswith(MARK)
    front, body = text.removeprefix(b"---\n").split(b"---\n", 1)
    return yaml.safe_load(front.decode()), body


def test_members_stand_in_front_and_the_body_behind():
    entry = Shown("table:notes", "n1", {"id": "n1", "title": "First", "tags": ["a"], "body": "# Hello\n"})
    assert text_of(entry) == MARK + b'id: "n1"\ntitle: "First"\ntags: ["a"]\n---\n# Hello\n'


def test_a_body_that_looks_like_front_matter_changes_nothing():
    front, body = parts(text_of(Shown("table:n", "n1", {"body": "---\nid: other\n---\n"})))
    assert (front, body) == ({"id": "n1"}, b"---\nid: other\n---\n")


@given(st.text(max_size=40))
def test_a_text_cannot_leave_its_line(title):
    front, body = parts(text_of(Shown("table:n", "n1", {"title": title})))
    assert (front, body) == ({"id": "n1", "title": title}, b"")


@example({"small": 1e-07, "large": 1.5e300, "long": {"x" * 2000: "y" * 2000}, "z" * 2000: 1})
@example({"odd": "\x85\u2028\ufeff\x7f\t\\"})
@given(st.dictionaries(st.text(max_size=8).filter(lambda name: name not in ("id", "body")), JSON, max_size=4))
def test_whatever_json_holds_reads_back(members):
    front, _ = parts(text_of(Shown("a", "k", members)))
    assert front == {"id": "k", **members}


@pytest.mark.parametrize("name", ["yes", "No", "null", "on", "a: b", "#", "", "- x", "é", "---"])
def test_a_name_that_yaml_reads_otherwise_is_quoted(name):
    front, _ = parts(text_of(Shown("a", "k", {name: 1})))
    assert front == {"id": "k", name: 1}


def test_an_id_that_is_not_the_key_does_not_hide_it():
    front, _ = parts(text_of(Shown("a", "k", {"id": "other"})))
    assert front == {"key": "k", "value": {"id": "other"}}
    assert parts(text_of(Shown("kv", "theme", "dark")))[0] == {"key": "theme", "value": "dark"}


def test_half_a_surrogate_pair_is_escaped_also_in_a_body():
    text = text_of(Shown("a", "k", {"body": "\ud800"}))
    assert text.endswith(b'body: "\\ud800"\n---\n')
    assert json.loads(text.decode().split("body: ")[1].split("\n")[0]) == "\ud800"


def test_an_entry_that_cannot_be_shown_says_why():
    assert parts(text_of(Problem("a", "k", "keyVersion=2 not in keyring [1]")))[0] == {
        "id": "k",
        "unreadable": "keyVersion=2 not in keyring [1]",
    }
