"""``BackupService``: one backup at a time, told as it goes, given up when nobody waits, counted when it is kept."""

import threading

import pytest

from strongroom.errors import InvalidInput, LimitExceeded, NotFound, StorageFault, Unavailable
from strongroom.pb.strongroom.v1 import backup_pb2
from strongroom.services.backup import BackupService

CREATE = backup_pb2.BackupServiceCreateRequest
CONFIRM = backup_pb2.BackupServiceConfirmRequest


class Context:
    """A call whose client is there until it leaves."""

    def __init__(self):
        self.there = True

    def is_active(self):
        return self.there


class Made:
    backup_id, size = "ab" * 16, 3_000_000

    def __init__(self):
        self.closed = 0

    def pieces(self):
        yield from (b"head", b"x" * 2_500_000, b"", b"tail")

    def close(self):
        self.closed += 1


class Desk:
    """Makes one backup when it is let, telling once how far it is."""

    def __init__(self):
        self.go = threading.Event()
        self.go.set()
        self.made, self.kept, self.fault, self.given_up = Made(), [], None, None

    def make(self, told):
        if self.fault:
            raise self.fault
        try:
            told("database", 1, 4)
            while not self.go.wait(0.01):
                told("database", 2, 4)
        except BaseException as error:
            self.given_up = error
            raise
        return self.made

    def confirm(self, backup_id):
        self.kept.append(backup_id)
        return backup_id == Made.backup_id


@pytest.fixture
def desk():
    return Desk()


def service(desk, is_ending=lambda: False):
    return BackupService(desk, is_ending=is_ending)


def test_a_backup_comes_in_messages_of_one_size_with_its_id_first(desk):
    answers = [each for each in service(desk).Create(CREATE(path="/b.tar"), Context()) if not each.doing]
    data = b"".join(each.part for each in answers)
    assert data == b"head" + b"x" * 2_500_000 + b"tail"
    assert [len(each.part) for each in answers] == [1 << 20, 1 << 20, len(data) - (2 << 20)]
    assert [each.backup_id for each in answers] == [Made.backup_id, "", ""]
    assert answers[0].size == Made.size
    assert desk.made.closed == 1


def test_whoever_asks_hears_how_far_it_is_and_a_second_one_is_told_to_wait(desk):
    desk.go.clear()
    both = service(desk)
    answers = both.Create(CREATE(), Context())
    first = next(answers)
    assert (first.doing, first.total, first.part) == ("database", 4, b"")
    with pytest.raises(Unavailable) as caught:
        next(both.Create(CREATE(), Context()))
    assert caught.value.code == "SR-BACKUP-013"
    desk.go.set()
    assert sum(len(each.part) for each in answers) > 0
    assert next(both.Create(CREATE(), Context())), "the next one has its turn"


def test_a_backup_that_nobody_waits_for_is_given_up(desk):
    desk.go.clear()
    made = service(desk)
    answers = made.Create(CREATE(), Context())
    next(answers)
    answers.close()
    assert desk.given_up.code == "SR-BACKUP-019"
    desk.go.set()
    assert list(made.Create(CREATE(), Context())), "and another one can begin"


def test_a_host_that_stops_gives_it_up(desk):
    desk.go.clear()
    ending = threading.Event()
    answers = service(desk, ending.is_set).Create(CREATE(), Context())
    next(answers)
    ending.set()
    with pytest.raises(Unavailable) as caught:
        list(answers)
    assert caught.value.code == "SR-BACKUP-019"


def test_what_making_it_raises_is_the_answer(desk):
    desk.fault = StorageFault("SR-BACKUP-012", "there is no room")
    with pytest.raises(StorageFault) as caught:
        list(service(desk).Create(CREATE(), Context()))
    assert caught.value is desk.fault


def test_one_that_is_kept_counts_and_one_that_is_unknown_does_not(desk):
    service(desk).Confirm(CONFIRM(backup_id=Made.backup_id, path="/b.tar"), Context())
    with pytest.raises(NotFound) as caught:
        service(desk).Confirm(CONFIRM(backup_id="other"), Context())
    assert caught.value.code == "SR-BACKUP-018"
    assert desk.kept == [Made.backup_id, "other"]


@pytest.mark.parametrize(
    ("path", "kind", "code"),
    [
        pytest.param("x" * 4_097, LimitExceeded, "SR-BACKUP-020", id="too long"),
        pytest.param("a\0b", InvalidInput, "SR-BACKUP-021", id="NUL"),
    ],
)
def test_a_path_that_is_none_is_refused(desk, path, kind, code):
    for call in (
        lambda: list(service(desk).Create(CREATE(path=path), Context())),
        lambda: service(desk).Confirm(CONFIRM(path=path), Context()),
    ):
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.code == code
    assert desk.kept == []
