"""The page on run data lists what stays in the clear exactly: columns, fields of the log, fields of the audit log."""

import dataclasses
import re
from pathlib import Path

from strongroom.audit.record import Record
from strongroom.engine.event_types import FIELDS
from strongroom.engine.opening import EVENT_FIELDS, RUN_FIELDS
from strongroom.storage.schema import METADATA
from tests.fakes.log_fields import log_fields

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "run-data.md").read_text()
NOT_FOLLOWED = {
    # The total of releases under insecure software, named after its metric.
    "?INSECURE_METRIC": "strongroom_insecure_release_total",
    # Names that the mount gives its handlers, such as array.
    "?facts": None,
    # What a plugin logs, which it answers for.
    "?{key: value for key, value in record.items() if not key.startswith('@') and key not in RECORD_FIELDS}": None,
}


def part(heading):
    """The text below one heading, up to the next."""
    return re.split(r"^#{2,3} ", PAGE.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def listed(text):
    """The words in code in the first column of the tables of a text."""
    return {word for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE) for word in re.findall(r"`(\w+)`", row)}


def test_the_page_lists_exactly_the_columns_that_stay_clear():
    text = part("Columns of the database")
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE)
    clear = {f"{table}.{column}" for table, columns in rows for column in re.findall(r"`(\w+)`", columns)}
    sentence = re.search(r"^Sealed are (.+?)\. ", text, re.MULTILINE | re.DOTALL)
    assert sentence
    sealed = set(re.findall(r"`(\w+\.\w+)`", sentence[1]))
    stored = {f"{table.name}.{column.name}" for table in METADATA.tables.values() for column in table.columns}
    assert clear & sealed == set()
    assert clear | sealed == stored


def test_the_page_lists_exactly_the_fields_of_the_log():
    found = set()
    for path in [*ROOT.glob("daemon/strongroom/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]:
        if "pb" not in path.parts:
            found |= log_fields(path)
    unknown = {name for name in found if name.startswith("?")}
    assert unknown - set(NOT_FOLLOWED) == set(), "say here what these are"
    assert set(NOT_FOLLOWED) - unknown == set(), "these are followed now"
    used = found - unknown | {name for name in NOT_FOLLOWED.values() if name}
    named = listed(part("Fields of the log"))
    assert used - named == set(), "the page does not say what these fields hold"
    assert named - used == set(), "no line of the log has these fields"


def test_fields_of_the_log_are_found_wherever_they_are_put_together(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(
        'log.info("a", extra={"one": 1, **facts()} | {"two": 2})\n'
        "def facts():\n    return {'three': 3}\n"
        'def say(**more):\n    log.error("b", extra=more)\n'
        "say(four=4)\n"
        'def tell(known):\n    log.error("c", extra=known if known else {"five": 5})\n'
        'tell({"six": 6})\n'
        'log.warning("d", extra=elsewhere)\n'
        'log.warning("e", extra={name: 1})\n'
    )
    assert log_fields(path) == {"one", "two", "three", "four", "five", "six", "?elsewhere", "?name"}


def test_the_page_lists_exactly_the_fields_of_the_audit_log():
    sentence = re.search(r"has these fields, in the clear: (.+?)\.", part("The audit log"), re.DOTALL)
    assert sentence
    assert set(re.findall(r"`(\w+)`", sentence[1])) == {each.name for each in dataclasses.fields(Record)}


def test_the_page_names_every_field_that_can_be_opened():
    rows = re.findall(r"^\| .+? \| (.+?) \| the run's key \|$", part("What is sealed"), re.MULTILINE)
    fields = {word for row in rows for word in re.findall(r"`(\w+)`", row)} - set(FIELDS)
    assert fields == set(EVENT_FIELDS)
    (row,) = re.findall(r"^\| `run get` \| (.+) \|$", PAGE, re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", row)) == RUN_FIELDS
