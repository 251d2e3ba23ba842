"""What waits for one client that watches is bounded by number and by size, and whoever is behind is told so."""

import pytest

from strongroom.errors import Unavailable
from strongroom.plugin.workspace_access import WorkspaceChange
from strongroom.services.workspace_backlog import Backlog


def change(key, value=b"1"):
    return WorkspaceChange(action="add", key=key, json=value)


def test_changes_come_in_their_order_and_nothing_is_nothing():
    backlog = Backlog()
    for key in ("a", "b"):
        backlog.hear(change(key))
    assert [backlog.next(0).key, backlog.next(0).key, backlog.next(0)] == ["a", "b", None]


@pytest.mark.parametrize("limits", [{"changes_max": 3}, {"bytes_max": 30}], ids=["number", "size"])
def test_a_client_that_is_behind_is_told_so_for_good(limits):
    backlog = Backlog(**limits)
    for number in range(3):
        backlog.hear(change(str(number), b"x" * 9))
    assert backlog.next(0).key == "0"
    for number in range(3, 5):
        backlog.hear(change(str(number), b"x" * 9))
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            backlog.next(0)
        assert (caught.value.code, "list the entries" in caught.value.fix) == ("SR-API-021", True)


def test_a_client_that_keeps_up_hears_any_number():
    backlog = Backlog(changes_max=2, bytes_max=20)
    for number in range(1000):
        backlog.hear(change(str(number), b"x" * 10))
        assert backlog.next(0).key == str(number)
