"""Mounts under several threads: nobody waits for ever, and nothing stays open that nobody wants open."""

import threading
from collections.abc import Callable

import pytest

from strongroom.errors import NotFound, StrongroomError
from strongroom.workspace.session.cell import Grant
from tests.fakes.mount_rig import MountRig, StubServer, Watching, remote

ROUNDS = 15
WAIT_S = 60.0


def test_who_is_unmounted_while_somebody_waits_to_try_it_again_stays_closed(tmp_path):
    rig = MountRig(tmp_path)
    rig.open()
    good = (rig.project / "strongroom.toml").read_text()
    rig.restart()
    rig.declare("")
    rig.mounts.reopen_known()
    rig.declare(good)
    rig.now_s += 2.0
    raised: list[Exception] = []

    def ask() -> None:
        try:
            rig.mounts.get("notes")
        except StrongroomError as error:
            raised.append(error)

    asking = threading.Thread(target=ask)
    with rig.mounts._changing:
        asking.start()
        rig.mounts.unmount("notes")
    asking.join(WAIT_S)
    assert [type(error) for error in raised] == [NotFound]
    assert rig.mounts.opened() == []
    rig.mounts.close()


def test_mounting_writing_and_signing_in_and_out_at_once_ends_and_agrees_with_what_is_remembered(tmp_path):
    server = StubServer()
    rig = MountRig(tmp_path, session=remote(tmp_path, server=server))
    rig.declare("".join(f"[[mounts]]\nname = 'm{number}'\n" for number in range(3)))
    unexpected: list[BaseException] = []

    def write(name: str) -> None:
        opened = rig.mounts.get(name)
        opened.workspace.store("kv").set("key", name)
        opened.flush()

    def rotate() -> None:
        server.secrets = "2:fresh,1:a-secret-of-tests"
        rig.session.confirm()

    def again(work: Callable[[], object]) -> None:
        for _ in range(ROUNDS):
            try:
                work()
            except StrongroomError:
                """Refused in the middle of a change, with a reason."""
            except BaseException as error:
                unexpected.append(error)

    works: list[Callable[[], object]] = [
        lambda: rig.mounts.mount(rig.project),
        lambda: rig.mounts.unmount("m1"),
        lambda: write("m0"),
        lambda: write("m1"),
        rig.mounts.sign_out,
        lambda: rig.session.sign_in(Grant(access_token="alice")),
        lambda: [opened.status() for opened in rig.mounts.opened()],
        rotate,
    ]
    threads = [threading.Thread(target=again, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert not [thread for thread in threads if thread.is_alive()], "somebody waits for ever"
    assert unexpected == []
    rig.session.sign_in(Grant(access_token="alice"))
    assert {opened.name for opened in rig.mounts.opened()} == {info.name for info in rig.mounts.all()}
    rig.mounts.mount(rig.project)
    for name in ("m0", "m1", "m2"):
        write(name)
        assert rig.mounts.get(name).status().unreadable_count == 0
    rig.mounts.close()


@pytest.mark.parametrize("ends", ["unmount", "close"])
def test_ending_twice_at_once_is_fine(tmp_path, ends):
    rig = MountRig(tmp_path)
    opened = rig.open()
    both = [threading.Thread(target=opened.dispose), threading.Thread(target=opened.dispose)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(WAIT_S)
    if ends == "unmount":
        rig.mounts.unmount("notes")
    rig.mounts.close()
    rig.mounts.close()


def test_who_ends_it_second_returns_when_it_is_closed(tmp_path):
    entered, go = threading.Event(), threading.Event()

    def at_end():
        entered.set()
        assert go.wait(WAIT_S)

    watching = Watching(at_end=at_end)
    rig = MountRig(tmp_path, providers=[watching.provider()])
    rig.declare('[[mounts]]\nname = "notes"\nprovider = "watching"\n')
    opened = rig.open()
    found: list[bool] = []

    def end() -> None:
        opened.dispose()
        found.append(opened.built._closed)

    both = [threading.Thread(target=end), threading.Thread(target=end)]
    both[0].start()
    assert entered.wait(WAIT_S)
    both[1].start()
    both[1].join(0.05)
    assert found == [], "the log is open"
    go.set()
    for thread in both:
        thread.join(WAIT_S)
    assert found == [True, True]
    rig.mounts.close()
