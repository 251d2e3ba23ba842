"""What checks come to: nothing affirms by itself, and what was forgotten refuses."""

import pytest

from strongroom.attest.ar4si import CONFIGURATION, EXECUTABLES, HARDWARE_ELEMENT, IDENTITY_ELEMENT
from strongroom.attest.demands import Demand, Entry, shown
from strongroom.attest.ear import CHECKS_MAX
from strongroom.attest.findings import Findings

WORDS = {"code": "SR-ATTEST-001", "got": "this", "wanted": "that"}


def noted(*notes):
    """The vector after these notes about the hardware."""
    found = Findings("policy.toml")
    for note in notes:
        match note:
            case True | False:
                found.check("x", note, element=HARDWARE_ELEMENT, **WORDS)
            case "gate" | "closed gate":
                found.gate("x", note == "gate", element=HARDWARE_ELEMENT, **WORDS)
            case "warn":
                found.warn("x", element=HARDWARE_ELEMENT, key="k", **WORDS)
            case "skip":
                found.skip("x", element=HARDWARE_ELEMENT, code=WORDS["code"], wanted="")
            case number:
                found.check("x", False, element=HARDWARE_ELEMENT, value=number, **WORDS)
    return found


@pytest.mark.parametrize(
    ("notes", "number"),
    [
        ((), 96),
        (("gate",), 96),
        ((True,), 2),
        ((True, "gate"), 2),
        ((True, False), 96),
        ((False, True), 96),
        ((True, "closed gate"), 96),
        ((True, "warn"), 32),
        (("warn", False), 96),
        ((97, True), 97),
        ((97, False), 97),
        ((True, "skip"), 0),
        (("skip", True, True), 0),
        (("skip", False), 96),
        (("skip", "warn"), 32),
    ],
    ids=str,
)
def test_an_element_is_as_good_as_the_worst_that_was_found(notes, number):
    assert noted(*notes).vector(is_bound=True)[HARDWARE_ELEMENT] == number
    assert noted(*notes).vector(is_bound=False)[HARDWARE_ELEMENT] == (0 if number == 2 else number)


def test_what_must_be_checked_and_was_not_is_contraindicated_and_the_rest_makes_no_claim():
    vector = Findings("policy.toml").vector(is_bound=True)
    assert {name: number for name, number in vector.items() if number} == dict.fromkeys(
        (HARDWARE_ELEMENT, EXECUTABLES, CONFIGURATION), 96
    )
    found = Findings("policy.toml")
    found.check("x", False, element=IDENTITY_ELEMENT, **WORDS)
    assert found.vector(is_bound=True)[IDENTITY_ELEMENT] == 97


def test_a_check_that_holds_has_no_code_and_one_that_does_not_names_the_line():
    found = Findings("policy.toml")
    assert found.check("x", True, element=EXECUTABLES, key="a.b", **WORDS)
    assert not found.check("x", False, element=EXECUTABLES, **WORDS)
    assert [(each.code, each.policy_ref) for each in found.checks] == [
        ("", "policy.toml:a.b"),
        ("SR-ATTEST-001", ""),
    ]


def test_more_checks_than_a_result_may_hold_are_an_error():
    found = noted(*[True] * CHECKS_MAX)
    with pytest.raises(OverflowError):
        found.check("x", True, element=EXECUTABLES, **WORDS)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"\1\2", "0102"),
        (b"", "no bytes"),
        (None, "nothing"),
        (True, "yes"),
        (False, "no"),
        (7, "7"),
        ("", "an empty text"),
        ("\x1b[2J", "'\\x1b[2J'"),
        ((), "none"),
        ((0, 7, 16), "0, 7, 16"),
        ((4, 2), "4, 2"),
        ({7: b"\1", 0: b"\2"}, "7=01, 0=02"),
        (((0, b"\1"),), "0=01"),
        (b"\0" * 1000, "0" * 400),
        ("x" * 1000, "x" * 400),
    ],
    ids=str,
)
def test_a_fact_is_shown_as_people_read_it_and_not_at_any_length(value, text):
    assert shown(value) == text


def test_an_entry_covers_those_of_its_kind_that_accept_no_more():
    demand = Demand(key="m", fact="m", code="c", element=EXECUTABLES, allowed=frozenset({1, 2}))
    narrow = Demand(key="m", fact="m", code="c", element=EXECUTABLES, allowed=frozenset({1}))
    least = Demand(key="m", fact="m", code="c", element=EXECUTABLES, minimum=1)
    wide, small = Entry("nitro", "a", (demand,)), Entry("nitro", "b", (narrow,))
    assert wide.covers(small)
    assert not small.covers(wide)
    assert not Entry("tdx", "a", (demand,)).covers(small)
    assert not Entry("nitro", "a", (least,)).covers(small)
    assert not small.covers(Entry("nitro", "a", (least,)))
    assert Entry("nitro", "a", ()).covers(small)
    assert not small.covers(Entry("nitro", "a", ()))
