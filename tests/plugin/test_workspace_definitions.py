"""What a workspace holds is said in values that are checked when they are made, without the library of schemas."""

import dataclasses
import subprocess
import sys

import pytest

from strongroom.errors import InvalidInput
from strongroom.plugin import KvDefinition, TableDefinition, WorkspaceDefinition
from strongroom.plugin.workspaces import NAME_CHARS_MAX, VERSIONS_MAX, WORKSPACE_ID_CHARS_MAX, check_workspace_id


class Row:
    """Stands for a schema: definitions only carry it."""


def test_definitions_load_no_library_of_schemas_and_no_documents():
    program = "import sys, strongroom.plugin\nprint(sorted({'pydantic', 'pycrdt'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_definition_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TableDefinition("notes", (Row,)).name = "other"


@pytest.mark.parametrize(
    "workspace_id", ["a", "0", "notes", "epicenter-fuji", "a-1-b", "console", "com10", "com0", "nul-1"]
)
def test_words_with_single_hyphens_are_an_id(workspace_id):
    check_workspace_id(workspace_id)


@pytest.mark.parametrize(
    "workspace_id",
    [
        pytest.param("", id="empty"),
        pytest.param("Notes", id="upper case"),
        pytest.param("a--b", id="two hyphens"),
        pytest.param("-a", id="hyphen first"),
        pytest.param("a-", id="hyphen last"),
        pytest.param("a.b.c.d", id="guid of a rich-text child document"),
        pytest.param("a_b", id="underscore"),
        pytest.param("../a", id="path"),
        pytest.param("a\n", id="line end"),
        pytest.param("ä", id="not ASCII"),
        pytest.param("٣", id="digit of another script"),
        pytest.param("a\0", id="NUL"),
        *[
            pytest.param(name, id=f"device {name}")
            for name in ("con", "prn", "aux", "nul", "com1", "com9", "lpt1", "lpt9")
        ],
        pytest.param("a" * (WORKSPACE_ID_CHARS_MAX + 1), id="too long"),
    ],
)
def test_what_is_no_segment_is_no_id(workspace_id):
    with pytest.raises(InvalidInput) as refused:
        WorkspaceDefinition(workspace_id)
    assert refused.value.code == "SR-WS-050"
    text = f'Invalid workspace id: "{workspace_id[:WORKSPACE_ID_CHARS_MAX]}'
    assert str(refused.value).startswith(text)
    assert "A guid segment must be lowercase a-z and 0-9 with single internal hyphens" in str(refused.value)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        pytest.param(lambda: TableDefinition("notes", ()), "a table has 1 to", id="no schema"),
        pytest.param(lambda: TableDefinition("notes", (Row,) * (VERSIONS_MAX + 1)), "a table has 1 to", id="too many"),
        pytest.param(lambda: TableDefinition("notes", (Row, Row)), "more than one schema", id="no migrate"),
        pytest.param(lambda: TableDefinition("../notes", (Row,)), "letters, digits", id="a path as name"),
        pytest.param(lambda: TableDefinition("n" * (NAME_CHARS_MAX + 1), (Row,)), "letters, digits", id="long name"),
        pytest.param(lambda: KvDefinition("", str, lambda: ""), "letters, digits", id="empty key"),
        pytest.param(lambda: KvDefinition("theme", str, "light"), "shared value", id="default that is no factory"),
        pytest.param(
            lambda: WorkspaceDefinition("a", tables=(TableDefinition("n", (Row,)), TableDefinition("N", (Row,)))),
            "more than case",
            id="two tables of one name",
        ),
        pytest.param(
            lambda: WorkspaceDefinition("a", kv=(KvDefinition("k", str, str), KvDefinition("k", int, int))),
            "more than case",
            id="two keys of one name",
        ),
    ],
)
def test_a_wrong_definition_is_refused_when_it_is_made(make, why):
    with pytest.raises(InvalidInput) as refused:
        make()
    assert refused.value.code == "SR-WS-051"
    assert why in str(refused.value)
