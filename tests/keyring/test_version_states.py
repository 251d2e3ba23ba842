"""Every state of a key version meets every event, and what the table does not have is refused with what comes first."""

import itertools
from pathlib import Path

import pytest

from strongroom.errors import WrongState
from strongroom.keyring.version_states import TRANSITIONS, VersionEvent, VersionState, state_of, step

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "keys.md"
LINES = PAGE.read_text().split("| state |")[1].split("\n\n")[0].splitlines()
HEADINGS, _, *ROWS = ([cell.strip() for cell in line.strip("| ").split("|")] for line in LINES)
TABLE = {(row[0], event): after for row in ROWS for event, after in zip(HEADINGS, row[1:], strict=True)}


def test_the_table_of_the_page_has_every_state_and_event():
    assert TABLE.keys() == {(state.value, event.value) for state in VersionState for event in VersionEvent}


@pytest.mark.parametrize(("state", "event"), list(itertools.product(VersionState, VersionEvent)))
def test_every_event_in_every_state_does_what_the_table_of_the_page_says(state, event):
    expected = TABLE[state.value, event.value]
    if expected == "-":
        with pytest.raises(WrongState, match=f"key version 3 cannot be {'|'.join(DONE)}") as caught:
            step(state, event, version=3)
        assert caught.value.code == "SR-KEY-020"
        assert caught.value.details == {"key_version": 3, "state": state.value}
        assert caught.value.why
        assert caught.value.fix
    else:
        assert step(state, event) == expected


DONE = ("promoted", "retired", "left out of the keyring")


def test_a_version_never_writes_again_once_a_higher_one_did():
    reachable, new = set(), {VersionState.SUPERSEDED}
    while new:
        reachable |= new
        new = {after for state in new for after in TRANSITIONS[state].values()} - reachable
    assert reachable == {VersionState.SUPERSEDED, VersionState.RETIRED}


@pytest.mark.parametrize(
    ("known", "retired", "version", "expected"),
    [
        (False, False, 1, "absent"),
        (True, True, 1, "retired"),
        (True, True, 2, "retired"),
        (True, False, 1, "superseded"),
        (True, False, 2, "promoted"),
        (True, False, 3, "held"),
    ],
)
def test_where_a_version_stands_follows_from_the_one_that_writes(known, retired, version, expected):
    assert state_of(version, known=known, writing=2, retired=retired) == expected
