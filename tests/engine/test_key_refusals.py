"""A keyring and a database that do not belong together: refused with the documented code, and nothing is written."""

import dataclasses

import pytest
from sqlalchemy import text

from strongroom.errors import StrongroomError
from strongroom.keyring.check import verify
from strongroom.keyring.key_state import KeyState, state_text
from strongroom.keyring.records import RecordKeys
from strongroom.storage import key_checks, meta, runs
from strongroom.storage.database import Database
from strongroom.storage.schema import METADATA
from tests.fakes.key_rig import SECRETS, KeyRig, roots
from tests.fakes.rows import run_row


def everything(database):
    """Every row of every table."""
    return database.read(
        lambda c: {name: sorted(map(repr, c.execute(table.select()))) for name, table in METADATA.tables.items()}
    )


def sql(database, statement, **values):
    database.write(lambda c: c.execute(text(statement), values)).result()


@pytest.fixture
def lived(database, tmp_path):
    """A database that version 1 wrote to, then 2 was promoted over it, and a workflow stands under each."""
    rig = KeyRig(database, tmp_path, 1)
    rig.add_workflow(1)
    before = rig.state()
    rig.write(2, 1)
    rig.life.reload()
    rig.life.promote(2)
    rig.add_workflow(2)
    rig.before = before
    return rig


def wrong_secret(rig):
    rig.file.write_text(SECRETS[2] + ",1:" + "w" * 43)


def wrong_secret_of_the_writing_version(rig):
    rig.file.write_text("2:" + "w" * 43 + "," + SECRETS[1])


def exchanged_secrets(rig):
    rig.file.write_text(f"1:{SECRETS[2][2:]},2:{SECRETS[1][2:]}")


def old_version_missing(rig):
    rig.write(2)


def writing_version_missing(rig):
    rig.write(1)


def all_versions_missing(rig):
    rig.write(3)


def swapped_database(rig):
    """All rows about keys come from a host with other secrets."""
    other = roots(5, 6)
    sql(rig.database, "DELETE FROM key_checks")
    for row in [dataclasses.replace(each, created_at=1) for each in verify(other, [])]:
        rig.database.write(lambda c, row=row: key_checks.add(c, row)).result()


def state_of_another_database_of_this_host(rig):
    sql(rig.database, "UPDATE meta SET value = :v WHERE name = 'deployment_id'", v="0" * 32)


def changed_promotion(rig):
    found = rig.database.read(lambda c: meta.get(c, "key_state")).split(" ")
    found[2] = "1"
    rig.database.write(lambda c: meta.set(c, "key_state", " ".join(found))).result()


def changed_mark(rig):
    sql(rig.database, "UPDATE key_checks SET retired_at = 9 WHERE version = 1")
    rig.write(2)


def older_promotion_put_back(rig):
    """The rows about keys as they were when version 1 was pinned; version 2 has written since."""
    rig.database.write(lambda c: meta.set(c, "key_state", rig.pinned)).result()


def restored_from_before_a_retirement(rig):
    """An old database that still needs what is destroyed by now: version 1 is nowhere any more."""
    before, state, _ = rig.state()
    rig.life.retire(1, lambda _version: None)
    sql(rig.database, "UPDATE key_checks SET retired_at = 0")
    rig.database.write(lambda c: meta.set(c, "key_state", state)).result()
    assert [row.retired_at for row in before] == [0, 0]
    rig.write(2)


CASES = {
    wrong_secret: "SR-KEY-003",
    wrong_secret_of_the_writing_version: "SR-KEY-003",
    exchanged_secrets: "SR-KEY-003",
    old_version_missing: "SR-KEY-003",
    writing_version_missing: "SR-KEY-003",
    all_versions_missing: "SR-KEY-003",
    swapped_database: "SR-KEY-003",
    state_of_another_database_of_this_host: "SR-SEAL-001",
    changed_promotion: "SR-SEAL-001",
    changed_mark: "SR-SEAL-001",
    older_promotion_put_back: "SR-KEY-022",
    restored_from_before_a_retirement: "SR-KEY-003",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_is_refused_with_its_code_and_not_a_row_is_written(lived, tmp_path, url, backend, case):
    rig = lived
    if case is older_promotion_put_back:
        # What the reload wrote, version 1 promoted and 2 held, as a thief would have kept it.
        rows, _, deployment_id = rig.state()
        pinned = roots(1, 2).changed(promoted=1)
        rig.pinned = state_text(pinned, KeyState(serial=2, promoted=1), rows, deployment_id)
    case(rig)
    before = everything(rig.database)
    with pytest.raises(StrongroomError) as caught:
        KeyRig(rig.database, tmp_path)
    assert caught.value.code == CASES[case]
    assert everything(rig.database) == before
    said = f"{caught.value} {caught.value.with_fix()} {caught.value.details}"
    assert not [secret for secret in (*SECRETS.values(), "1:" + "w" * 43) if secret[2:] in said]
    if backend == "sqlite":
        rig.database.close()
        file = tmp_path / "strongroom.db"
        kept = file.read_bytes()
        again = Database.open(url)
        with pytest.raises(StrongroomError):
            KeyRig(again, tmp_path)
        again.close()
        assert file.read_bytes() == kept, "not one byte"


def test_one_record_that_claims_a_newer_version_stops_no_host(lived, tmp_path):
    lived.database.write(lambda c: runs.insert(c, run_row(1, key_version=9))).result()
    sql(lived.database, "UPDATE workflow_specs SET key_version = 200 WHERE workflow_id = :id", id=f"{1:064x}")
    assert KeyRig(lived.database, tmp_path).root.writing_version == 2


def test_a_run_of_a_newer_version_that_is_authentic_does(lived, tmp_path):
    lived.write(3, 2, 1)
    lived.life.reload()
    row = run_row(1, key_version=3)
    mac = RecordKeys(lived.root).mac("runs", row.columns(), key_version=3)
    lived.database.write(lambda c: runs.insert(c, dataclasses.replace(row, mac=mac))).result()
    with pytest.raises(StrongroomError) as caught:
        KeyRig(lived.database, tmp_path)
    assert caught.value.code == "SR-KEY-022"


def test_a_whole_older_database_whose_keys_are_held_starts_as_it_was(lived, tmp_path):
    """What is not noticed: it is what restoring a backup looks like."""
    rows, state, _ = lived.before
    sql(lived.database, "DELETE FROM workflow_specs WHERE workflow_id = :id", id=f"{2:064x}")
    sql(lived.database, "DELETE FROM key_checks WHERE version = 2")
    lived.database.write(lambda c: meta.set(c, "key_state", state)).result()
    assert len(rows) == 1
    again = KeyRig(lived.database, tmp_path)
    assert again.specs.get(f"{1:064x}").config == b"config"
    assert again.root.promoted is None
