"""Several things at once: in order, for at most so long, and what is late is not lost."""

import threading

import pytest

from strongroom.errors import TimedOut, Unavailable
from strongroom.workspace.mount.mounts import Mounts
from strongroom.workspace.mount.side_by_side import AT_ONCE_MAX, TookTooLong, side_by_side
from tests.fakes.lease_holder import LeaseHolder
from tests.fakes.mount_rig import MountRig, Watching

WAIT_S = 20.0


def nothing(_: object) -> None:
    """Nothing is late."""


def test_outcomes_come_in_the_order_of_the_works_whichever_ends_first():
    first = threading.Event()

    def slow() -> str:
        assert first.wait(WAIT_S)
        return "slow"

    def fails() -> str:
        first.set()
        raise ValueError("no")

    outcomes = side_by_side([slow, fails, lambda: "quick"], timeout_s=WAIT_S, name="test", late=nothing)
    assert (outcomes[0], outcomes[2]) == ("slow", "quick")
    assert isinstance(outcomes[1], ValueError)


def test_more_works_than_may_run_at_once_all_end():
    works = [lambda number=number: number for number in range(AT_ONCE_MAX * 3)]
    assert side_by_side(works, timeout_s=WAIT_S, name="test", late=nothing) == list(range(AT_ONCE_MAX * 3))
    assert side_by_side([], timeout_s=WAIT_S, name="test", late=nothing) == []


def test_what_takes_too_long_is_left_behind_and_its_result_is_not_lost():
    go, came = threading.Event(), threading.Event()
    late: list[str] = []

    def hangs() -> str:
        assert go.wait(WAIT_S)
        return "after all"

    outcomes = side_by_side(
        [hangs, lambda: "quick"], timeout_s=0.05, name="test", late=lambda result: (late.append(result), came.set())
    )
    assert isinstance(outcomes[0], TookTooLong)
    go.set()
    assert came.wait(WAIT_S)
    assert late == ["after all"]


@pytest.fixture
def hanging(tmp_path):
    """A host with one good mount and one whose provider hangs until ``go``."""
    go = threading.Event()
    rig = MountRig(tmp_path)
    watching = Watching(before=lambda context: context.mount == "hangs" and go.wait(WAIT_S))
    rig.providers.append(watching.provider())
    rig.declare("".join(f"[[mounts]]\nname = '{name}'\nprovider = 'watching'\n" for name in ("good", "hangs")))
    yield rig, watching, go
    go.set()
    rig.mounts.close()


def limit(mounts: Mounts, seconds: float) -> None:
    object.__setattr__(mounts._opener, "open_s_max", seconds)


def test_a_provider_that_hangs_is_given_up_and_what_opens_after_all_is_closed(hanging):
    rig, watching, go = hanging
    limit(rig.mounts, 0.2)
    with pytest.raises(Unavailable, match="opening took more than 0.2 s") as caught:
        rig.mounts.mount(rig.project)
    assert caught.value.details["mount"] == "hangs"
    assert isinstance(caught.value.__cause__, TimedOut)
    assert watching.order == ["good"]
    holder = LeaseHolder(rig.project)
    assert holder.said == "held", "the project is free for others"
    holder.leave()
    go.set()
    limit(rig.mounts, WAIT_S)
    for thread in threading.enumerate():
        if thread.name == "mount":
            thread.join(WAIT_S)
    # Its log has one writer at a time, so that it opens again shows that the late one was closed.
    assert len(rig.mounts.mount(rig.project)[0]) == 2
    assert [opened.name for opened in rig.mounts.opened()] == ["good", "hangs"]


def test_a_provider_that_hangs_at_its_end_keeps_nobody_waiting(tmp_path, monkeypatch):
    from strongroom.workspace.mount import opened as place

    monkeypatch.setattr(place, "END_S_MAX", 0.1)
    go = threading.Event()
    rig = MountRig(tmp_path)
    watching = Watching(at_end=lambda: go.wait(WAIT_S))
    rig.providers.append(watching.provider())
    rig.declare("[[mounts]]\nname = 'notes'\nprovider = 'watching'\n")
    rig.open().workspace.store("kv").set("key", "kept")
    rig.mounts.unmount("notes")
    go.set()
    assert rig.open().workspace.store("kv").get("key") == "kept"
    rig.mounts.close()
