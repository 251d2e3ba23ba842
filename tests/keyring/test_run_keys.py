"""Every run has its own key, and a budget of messages."""

import dataclasses

import pytest

from strongroom.crypto.srn1 import Place, key_version_of
from strongroom.errors import KeyMissing, SealBudgetExceeded, Tampered
from strongroom.keyring import run_keys
from strongroom.keyring.root import parse_secrets
from strongroom.keyring.run_keys import SEALS_PER_RUN_MAX, RunKeys

PLACE = Place("wrun_1", "run_created", "", "input", 0, False, b"")
RING = parse_secrets("2:new,1:old")


def test_old_versions_read_and_the_highest_one_writes():
    keys = RunKeys(RING, "dpl")
    assert keys.writing_version == 2
    old = RunKeys(parse_secrets("1:old"), "dpl").seal(PLACE, b"x", key_version=1)
    assert keys.open(PLACE, old) == b"x"
    assert key_version_of(keys.seal(PLACE, b"x", key_version=keys.writing_version)) == 2


@pytest.mark.parametrize(
    ("ring", "deployment"),
    [(parse_secrets("2:other"), "dpl"), (RING, "dpl2"), (RING, "")],
    ids=["another secret", "another deployment", "no deployment"],
)
def test_another_host_cannot_open_a_run(ring, deployment):
    blob = RunKeys(RING, "dpl").seal(PLACE, b"x", key_version=2)
    with pytest.raises(Tampered):
        RunKeys(ring, deployment).open(PLACE, blob)


def test_an_unknown_version_is_a_missing_key():
    blob = RunKeys(parse_secrets("9:gone"), "dpl").seal(PLACE, b"x", key_version=9)
    with pytest.raises(KeyMissing, match="version 9"):
        RunKeys(RING, "dpl").open(PLACE, blob)
    with pytest.raises(KeyMissing, match="version 9"):
        RunKeys(RING, "dpl").seal(PLACE, b"x", key_version=9)


def test_a_border_between_deployment_and_run_cannot_shift():
    blob = RunKeys(RING, "dplw").seal(dataclasses.replace(PLACE, run_id="run_1"), b"x", key_version=2)
    with pytest.raises(Tampered):
        RunKeys(RING, "dpl").open(dataclasses.replace(PLACE, run_id="wrun_1"), blob)


def test_a_run_cannot_seal_more_than_its_budget(monkeypatch):
    monkeypatch.setattr(run_keys, "SEALS_PER_RUN_MAX", 3)
    keys = RunKeys(RING, "dpl")
    for _ in range(3):
        keys.seal(PLACE, b"x", key_version=2)
    with pytest.raises(SealBudgetExceeded):
        keys.seal(PLACE, b"x", key_version=2)
    keys.seal(dataclasses.replace(PLACE, run_id="wrun_2"), b"x", key_version=2)


def test_the_journals_index_counts_for_the_budget_after_a_restart():
    keys = RunKeys(RING, "dpl")
    with pytest.raises(SealBudgetExceeded) as caught:
        keys.seal(dataclasses.replace(PLACE, index=SEALS_PER_RUN_MAX), b"x", key_version=2)
    assert caught.value.details["limit"] == SEALS_PER_RUN_MAX
    keys.seal(PLACE, b"x", key_version=2)


def test_derived_keys_are_bounded_and_derived_again(monkeypatch):
    monkeypatch.setattr(run_keys, "KEYS_KEPT_MAX", 2)
    keys = RunKeys(RING, "dpl")
    places = [dataclasses.replace(PLACE, run_id=f"wrun_{number}") for number in range(5)]
    blobs = [keys.seal(place, b"x", key_version=2) for place in places]
    assert len(keys._entries) == 2
    assert [keys.open(place, blob) for place, blob in zip(places, blobs, strict=True)] == [b"x"] * 5
