"""A keyring beside its database: added, promoted and retired while the host runs, and killed between any two steps."""

import threading

import pytest

from strongroom.errors import KeyMissing, StorageFault, WrongState
from strongroom.storage.writer import Writer
from tests.fakes.key_rig import KeyRig


@pytest.fixture
def start(database, tmp_path):
    """Start a host on the database, with a keyring of these versions or with the file as it is."""
    return lambda *versions: KeyRig(database, tmp_path, *versions)


def nothing_needs(_version):
    pass


def states(rig):
    return {info.version: info.state.value for info in rig.life.versions()}


def test_the_highest_writes_where_nothing_was_ever_promoted(start):
    rig = start(1)
    assert (rig.life.writing_version, rig.life.is_promoted) == (1, False)
    again = start(1, 2)
    assert (again.life.writing_version, again.life.is_promoted) == (2, False)
    assert states(again) == {1: "superseded", 2: "promoted"}


def test_adding_while_the_host_runs_does_not_change_what_writes_also_not_at_the_next_start(start):
    rig = start(1)
    rig.write(2, 1)
    assert rig.life.reload() == [2]
    assert (rig.root.versions, rig.root.writing_version) == ((2, 1), 1)
    assert rig.life.reload() == []
    assert start().root.writing_version == 1
    assert states(rig) == {1: "promoted", 2: "held"}


def test_a_promotion_takes_effect_at_once_and_lasts(start):
    rig = start(1)
    rig.add_workflow(1)
    rig.write(2, 1)
    rig.life.reload()
    told = []
    rig.life.on_change.append(lambda: told.append(rig.root.writing_version))
    rig.life.promote(2)
    assert told == [2], "who keeps derived keys is told"
    assert rig.keys.writing_version == 2
    assert rig.add_workflow(2).row.key_version == 2
    assert rig.specs.get(f"{1:064x}").row.key_version == 1, "what was written before stays readable"
    assert states(rig) == {1: "superseded", 2: "promoted"}
    again = start()
    assert (again.root.writing_version, again.root.promoted) == (2, 2)


def test_promoting_the_one_that_writes_again_changes_nothing(start):
    rig = start(1)
    rig.life.promote(1)
    before = rig.state()
    rig.life.promote(1)
    assert rig.state() == before


@pytest.mark.parametrize("version", [1, 3], ids=["superseded", "absent"])
def test_a_version_that_is_not_held_or_is_below_is_not_promoted(start, version):
    rig = start(1, 2)
    before = rig.state()
    with pytest.raises(WrongState, match=f"key version {version} cannot be promoted"):
        rig.life.promote(version)
    assert rig.state() == before
    assert rig.root.writing_version == 2


def test_a_reload_that_does_not_fit_leaves_the_old_keyring(start):
    rig = start(1, 2)
    rig.write(2)
    with pytest.raises(KeyMissing, match="it needs key k1-"):
        rig.life.reload()
    assert rig.root.versions == (2, 1)


def test_a_retired_version_is_forgotten_and_may_be_left_out(start):
    rig = start(1, 2)
    assert rig.life.retire(1, nothing_needs)
    assert rig.root.versions == (2,)
    assert states(rig) == {1: "retired", 2: "promoted"}
    assert not rig.life.retire(1, nothing_needs), "it was before"
    assert start(2).root.versions == (2,)


def test_a_retired_version_that_is_offered_again_reads_never_writes_and_is_said(start, caplog):
    start(1, 2).life.retire(1, nothing_needs)
    rig = start()
    assert (rig.root.versions, rig.root.retired, rig.root.writing_version) == ((2, 1), frozenset({1}), 2)
    (record,) = [each for each in caplog.records if getattr(each, "code", "") == "SR-KEY-023"]
    assert record.key.startswith("k1-")
    assert states(rig) == {1: "retired", 2: "promoted"}
    with pytest.raises(WrongState, match="cannot be promoted"):
        rig.life.promote(1)


def test_the_number_of_a_retired_version_is_not_given_to_another_secret(start, tmp_path):
    rig = start(1, 2)
    rig.life.retire(1, nothing_needs)
    rig.write(2)
    rig.file.write_text(rig.file.read_text() + ",1:" + "another" * 7)
    before = rig.state()
    for attempt in (rig.life.reload, start):
        with pytest.raises(KeyMissing, match="1 was retired, and its number is given to another secret") as caught:
            attempt()
        assert caught.value.code == "SR-KEY-021"
        assert "another" * 7 not in f"{caught.value} {caught.value.details}"
    assert rig.state() == before


@pytest.mark.parametrize(("version", "why"), [(2, "it writes"), (3, "this host never had it")])
def test_what_writes_or_was_never_there_is_not_retired(start, version, why):
    with pytest.raises(WrongState, match=f"key version {version} cannot be retired: {why}"):
        start(1, 2).life.retire(version, nothing_needs)


def test_a_version_that_waits_to_be_promoted_is_not_retired(start):
    rig = start(1)
    rig.write(2, 1)
    rig.life.reload()
    with pytest.raises(WrongState, match="it may still be promoted"):
        rig.life.retire(2, nothing_needs)


def test_a_version_is_looked_for_again_after_it_was_dropped(start):
    rig = start(1, 2)
    seen = []

    def needed_in_the_last_moment(_version):
        seen.append(rig.root.versions)
        if len(seen) == 2:
            raise WrongState("SR-KEY-024", "it came in the last moment")

    with pytest.raises(WrongState, match="in the last moment"):
        rig.life.retire(1, needed_in_the_last_moment)
    assert seen == [(2, 1), (2,)]
    assert rig.root.versions == (2, 1), "it is held again"
    assert states(rig) == {1: "superseded", 2: "promoted"}


def test_trying_to_retire_changes_nothing(start):
    rig = start(1, 2)
    before = rig.state()
    assert rig.life.may_retire(1, nothing_needs)
    assert (rig.state(), rig.root.versions) == (before, (2, 1))


@pytest.mark.parametrize("change", ["reload", "promote", "retire"])
def test_a_change_that_the_disk_refuses_is_no_change(start, monkeypatch, change):
    rig = start(1, 2)
    rig.write(3, 2, 1)
    before = rig.state(), rig.root.versions, rig.root.writing_version
    if change == "promote":
        rig.life.reload()
        before = rig.state(), rig.root.versions, rig.root.writing_version
    submit = Writer.submit

    def refuses(self, job, *, may_wait=False):
        def fault(connection):
            job(connection)
            raise StorageFault("SR-STORE-001", "the disk is full")

        return submit(self, fault, may_wait=may_wait)

    calls = {
        "reload": rig.life.reload,
        "promote": lambda: rig.life.promote(3),
        "retire": lambda: rig.life.retire(1, nothing_needs),
    }
    with monkeypatch.context() as patched:
        patched.setattr(Writer, "submit", refuses)
        with pytest.raises(StorageFault, match="the disk is full"):
            calls[change]()
    assert (rig.state(), rig.root.versions, rig.root.writing_version) == before
    calls[change]()


def test_what_is_written_while_versions_are_promoted_and_retired_stays_readable(start):
    rig = start(1)
    stop, wrong, written = threading.Event(), [], [0] * 3

    def write(number):
        while not stop.is_set():
            try:
                rig.store.put(f"{number} {written[number]}", b"value")
            except Exception as error:
                wrong.append(repr(error))
                return
            written[number] += 1

    threads = [threading.Thread(target=write, args=(number,)) for number in range(len(written))]
    for thread in threads:
        thread.start()
    for version in range(2, 6):
        rig.write(*range(version, version - 2, -1))
        rig.life.reload()
        rig.desk.promote(version)
        rig.desk.rotation.start()
        assert list(rig.desk.rotation.follow(0.01, is_wanted=lambda: True))[-1].state == "done"
        # What was on its way under the old version a moment ago is found, and sealed again like the rest.
        while True:
            try:
                rig.desk.retire(version - 1)
                break
            except WrongState:
                rig.desk.rotation.start()
                list(rig.desk.rotation.follow(0.01, is_wanted=lambda: True))
        rig.write(version)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    again = start(5)
    for number, count in enumerate(written):
        assert all(again.store.get(f"{number} {each}") == b"value" for each in range(count))


class KilledError(BaseException):
    """The host is gone."""


@pytest.mark.parametrize("after_write", [False, True], ids=["before the disk has it", "after"])
@pytest.mark.parametrize("change", ["reload", "promote", "retire"])
def test_a_host_killed_between_the_steps_of_a_change_starts_with_the_old_or_the_new(
    start, monkeypatch, change, after_write
):
    rig = start(1, 2)
    rig.add_workflow(1)
    rig.write(3, 2, 1)
    if change == "promote":
        rig.life.reload()
    write = type(rig.life)._write

    def killed(self, *arguments, **named):
        if after_write:
            write(self, *arguments, **named)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(type(rig.life), "_write", killed)
        with pytest.raises(KilledError):
            {"reload": rig.life.reload, "promote": lambda: rig.life.promote(3)}.get(
                change, lambda: rig.life.retire(1, nothing_needs)
            )()
    again = start()
    assert again.specs.get(f"{1:064x}").config == b"config", "nothing became unreadable"
    expected = {
        ("promote", True): ({1: "superseded", 2: "superseded", 3: "promoted"}, 3),
        ("promote", False): ({1: "superseded", 2: "promoted", 3: "held"}, 2),
        ("retire", True): ({1: "retired", 2: "superseded", 3: "promoted"}, 3),
        ("reload", True): ({1: "superseded", 2: "promoted", 3: "held"}, 2),
    }
    # Where nothing was ever promoted, what a start finds in the keyring is the highest, and writes.
    fresh = ({1: "superseded", 2: "superseded", 3: "promoted"}, 3)
    assert (states(again), again.root.writing_version) == expected.get((change, after_write), fresh)
    # Whatever was cut off can be done again.
    again.life.promote(3)
    again.life.retire(1, nothing_needs)
    assert states(again)[1] == "retired"
