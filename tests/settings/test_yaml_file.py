"""YAML is read as plain data with a line for every key, or not at all."""

import contextlib

import pytest

from strongroom.errors import Misconfigured
from strongroom.settings.yaml_file import FILE_BYTES_MAX, read_document


@pytest.fixture
def path(tmp_path):
    return tmp_path / "f.yaml"


def test_plain_data_comes_with_its_lines(path):
    path.write_text("a: 1\nb:\n  - x\n  - {c: [true, null, 1.5]}\n")
    document = read_document(path)
    assert document.data == {"a": 1, "b": ["x", {"c": [True, None, 1.5]}]}
    assert document.lines == {
        "a": 1,
        "b": 2,
        "b[0]": 3,
        "b[1]": 4,
        "b[1].c": 4,
        **{f"b[1].c[{n}]": 4 for n in range(3)},
    }


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "---\n", "null\n"], ids=["empty", "comment", "start", "null"]
)
def test_a_file_with_nothing_in_it_is_an_empty_mapping(path, text):
    path.write_text(text)
    assert read_document(path).data == {}


def test_dates_and_words_that_look_like_truth_stay_what_was_written(path):
    path.write_text("on: 2026-01-02\nyes: 1\n")
    assert read_document(path).data == {"on": "2026-01-02", "yes": 1}


REFUSED = {
    "twice": ("a: 1\nb: 2\na: 3\n", "f.yaml:a"),
    "twice-inside": ("x:\n  a: 1\n  a: 1\n", "f.yaml:x.a"),
    "anchor": ("a: &x 1\n", "f.yaml:1"),
    "alias": ("a: *x\n", "f.yaml:1"),
    "merge": ("a:\n  <<: {b: 1}\n", "f.yaml:a"),
    "object-tag": ("a: !!python/object/apply:os.system [x]\n", "f.yaml:a"),
    "own-tag": ("a: !mine 1\n", "f.yaml:a"),
    "binary-tag": ("a: !!binary aGk=\n", "f.yaml:a"),
    "set-tag": ("a: !!set {x}\n", "f.yaml:a"),
    "key-is-a-list": ("[a]: 1\n", "f.yaml"),
    "list-at-the-top": ("- a\n", "f.yaml"),
    "text-at-the-top": ("hello\n", "f.yaml"),
    "two-documents": ("a: 1\n---\nb: 1\n", "f.yaml:2"),
    "cut": ("a: [1,\n", "f.yaml:2"),
    "tab": ("a:\n\t- 1\n", "f.yaml:2"),
    "control-character": ("a: \x01\n", "f.yaml"),
    "too-deep": ("a: " + "[" * 50 + "]" * 50, None),
    "far-too-deep": ("a: " + "[" * 50_000, None),
    "impossible-number": ("a: 0b_\n", None),
}


@pytest.mark.parametrize(("text", "where"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_plain_data_is_refused_with_its_place(path, text, where):
    path.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        read_document(path)
    if where is not None:
        assert str(refused.value.details["where"]).endswith(where)


def test_both_lines_of_a_key_written_twice_are_named(path):
    path.write_text("a: 1\n\na: 2\n")
    with pytest.raises(Misconfigured, match="in lines 1 and 3"):
        read_document(path)


def test_a_file_at_the_limit_is_read_and_one_above_it_is_not(path):
    path.write_text("#" * FILE_BYTES_MAX)
    assert read_document(path).data == {}
    path.write_text("#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(Misconfigured) as refused:
        read_document(path)
    assert refused.value.details["limit"] == FILE_BYTES_MAX


def test_a_byte_that_is_not_text_is_refused(path):
    path.write_bytes(b"a: \xff\n")
    with pytest.raises(Misconfigured, match="not UTF-8"):
        read_document(path)


def test_a_byte_order_mark_is_not_part_of_a_key(path):
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(path).data == {"a": 1}


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_what_is_not_a_file_is_refused(tmp_path, kind):
    with pytest.raises(Misconfigured):
        read_document(tmp_path if kind == "directory" else tmp_path / "missing")


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_a_file_that_was_cut_off_never_raises_anything_else(path, cut):
    text = 'version: 1\nplugins:\n  - {name: a, command: ["x", y]}\n  - b: |\n      text\n'
    path.write_text(text[:cut])
    # Some cuts leave a whole document; what matters is that no other error than ours comes out of the rest.
    with contextlib.suppress(Misconfigured):
        read_document(path)


@pytest.mark.parametrize("text", ["a: [", "- a\n", None], ids=["syntax", "no mapping", "no file"])
def test_what_cannot_be_read_says_what_to_do(path, text):
    if text is not None:
        path.write_text(text)
    with pytest.raises(Misconfigured) as caught:
        read_document(path)
    assert caught.value.code == "SR-CONF-003"
    assert caught.value.fix
