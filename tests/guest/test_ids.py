"""Ids, seeds and owners: the vectors of the contract."""

import pytest

from strongroom.errors import InvalidInput
from strongroom.guest import ids

WORKFLOW = "00" + "ab" * 31
TIME = "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("event", "index", "expected"),
    [
        (TIME, 0, "b028eb767ee9460f7ceca41c8c612ec9d47b7812be0baf001c77c78be2c713d4"),
        (TIME, 1, "38af560b29363ebbad8bb044935ec0a45e8678558b52c5b0d0ffcb5f0c44370d"),
        ("ev1", 0, "22abcddbbdff343b0b140f8eae734007e8357c060d179ff831fef2fdd734ad92"),
        ("ev", 10, "22abcddbbdff343b0b140f8eae734007e8357c060d179ff831fef2fdd734ad92"),
    ],
    ids=["first trigger", "second trigger", "no separator", "the same text cut elsewhere"],
)
def test_an_execution_id_is_the_hash_of_its_parts(event, index, expected):
    assert ids.execution_id(WORKFLOW, event, index) == expected


def test_the_legacy_execution_id_has_no_index():
    expected = "bed80ca260956d718bdac67ea7228009f319e65ad7a41f55007c28045312618c"
    assert ids.legacy_execution_id(WORKFLOW, TIME) == expected


def test_a_workflow_id_starts_with_a_zero_byte():
    id_ = ids.workflow_id(owner="0x" + "11" * 20, name="my-wf", binary=b"BINARY", config=b'{"a":1}')
    assert id_ == "00509d06de820e5dd21e5ee6d3e6c7d707798363df629ad379a09733e87920b0"


def test_a_workflow_id_covers_the_address_of_its_secrets():
    id_ = ids.workflow_id(
        owner="26729408f179371be6433b9585d8427f121bfe82",
        name="porporpore",
        binary=b"workflow",
        config=b"config",
        secrets_url="http://mysecrets.com",
    )
    assert id_ == "00ce1eff5f0777717848b4559ea3034a60b9a9d104635a7d040991bef21a93b5"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("my-wf", "6176ac6c42"), ("Hello, world!", "315f5bdb76"), ("My Incredible Workflow Name", "84002eb9e2")],
)
def test_a_name_is_ten_digits_of_its_hash(name, expected):
    assert ids.name_hash(name) == expected


@pytest.mark.parametrize(
    ("execution", "seed"),
    [
        ("", -3750763034362895579),
        ("id", 628021283683842752),
        ("Id", 658702056151387296),
        ("differentId", 2573344420331293391),
        ("b028eb767ee9460f7ceca41c8c612ec9d47b7812be0baf001c77c78be2c713d4", 5174405647129330269),
    ],
    ids=["subscribe", "id", "Id", "differentId", "a real one"],
)
def test_the_don_seed_is_a_hash_of_the_execution_id(execution, seed):
    assert ids.don_seed(execution) == seed


def test_triggers_are_named_after_their_place():
    assert ids.trigger_registration_id(WORKFLOW, 3) == f"trigger_reg_{WORKFLOW}_3"
    assert ids.trigger_reference_id(3) == "trigger_3"


@pytest.mark.parametrize("text", ["0x" + "AB" * 20, "ab" * 20, "0X" + "aB" * 20], ids=["0x", "bare", "0X"])
def test_an_owner_is_forty_lower_hex_digits(text):
    assert ids.normal_owner(text) == "ab" * 20


@pytest.mark.parametrize(
    "text",
    ["", "0x", "ab" * 19, "ab" * 21, "0x0x" + "ab" * 19, "zz" * 20, " " + "ab" * 20, "ab" * 20 + "\n", "١" * 40],
    ids=["empty", "only 0x", "too short", "too long", "0x twice", "no hex", "space", "line end", "other digits"],
)
def test_what_is_no_address_is_no_owner(text):
    with pytest.raises(InvalidInput, match="not an address") as caught:
        ids.normal_owner(text)
    assert caught.value.details["field"] == "owner"
