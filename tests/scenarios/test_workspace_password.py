"""A workspace with a password of its own, through a whole daemon: set, unlocked, locked, changed, forgotten."""

import pytest

from tests.fakes.canary import Canary
from tests.fakes.workspace_hosts import WorkspaceHosts

SECRET = b"correct horse battery staple"
OTHER = b"another one, as long"


@pytest.fixture
def host():
    with WorkspaceHosts() as hosts:
        made = hosts.host("a")
        made.project.mkdir()
        yield made.start()


def mount(host, password=SECRET):
    return host("workspace", "mount", str(host.project), "--name", "notes", "--password", stdin=password)


def mounted(host):
    first = mount(host)
    assert first.code == 0, first.err
    return first


def test_the_first_use_says_that_a_forgotten_password_means_that_the_data_is_gone(host):
    first = mounted(host)
    assert "a forgotten password means that the data is gone" in first.err
    assert 'keys = "password"' in (host.project / "strongroom.toml").read_text()
    assert (host.listed()["state"], host.listed()["keys"]) == ("open", "password")
    again = mount(host)
    assert again.code == 0, again.err
    assert "forgotten" not in again.err, "it is said once, when it is set"


def test_after_a_restart_it_is_locked_and_every_call_says_how_to_unlock_it(host):
    canary = Canary.new()
    mounted(host)
    host.set("greeting", canary.text)
    host.kill()
    host.start()
    assert (host.listed()["state"], host.listed()["keys"]) == ("locked", "password")
    for call in (
        ("get", "notes", "greeting"),
        ("set", "notes", "late", "1"),
        ("verify", "notes"),
        ("entries", "notes"),
    ):
        assert "strongroom workspace unlock notes" in host("workspace", *call).err, call
    wrong = host("workspace", "unlock", "notes", stdin=OTHER)
    assert wrong.code == 77, wrong.err
    assert "SR-KEY-019" in wrong.err
    assert host.listed()["state"] == "locked"
    assert host("workspace", "unlock", "notes", stdin=SECRET + b"\n").code == 0
    assert host.values() == {"greeting": canary.text}
    assert host.workspace("verify", "notes")["holds"]
    assert canary.found_below(host.state.parent) == []
    for needle in (SECRET, OTHER):
        assert needle not in "".join(host.log).encode()
        assert [path for path in host.state.parent.rglob("*") if path.is_file() and needle in path.read_bytes()] == []


def test_locking_closes_it_and_forgets_its_keys(host):
    mounted(host)
    host.set("greeting", "hello")
    host.workspace("lock", "notes")
    assert host.listed()["state"] == "locked"
    assert "is locked" in host("workspace", "get", "notes", "greeting").err
    assert host("workspace", "unlock", "notes", stdin=SECRET).code == 0
    assert host.values() == {"greeting": "hello"}


def test_a_changed_password_opens_everything_and_the_old_one_nothing(host):
    mounted(host)
    host.set("greeting", "hello")
    host.set("t1", {"title": "x"}, "notes:tasks")
    same = host("workspace", "change-password", "notes", stdin=SECRET + b"\n" + SECRET)
    assert "SR-WS-114" in same.err
    wrong = host("workspace", "change-password", "notes", stdin=OTHER + b"\n" + SECRET)
    assert "SR-KEY-019" in wrong.err
    changed = host.workspace("change-password", "notes", stdin=SECRET + b"\n" + OTHER + b"\n")
    assert (changed["sealed_again"], changed["unreadable"]) == (2, 0)
    host.set("after", 1)
    assert host.workspace("verify", "notes")["entries_by_key_version"] == {"2": 3}
    host.kill()
    host.start()
    assert host("workspace", "unlock", "notes", stdin=SECRET).code == 77
    assert host("workspace", "unlock", "notes", stdin=OTHER).code == 0
    assert host.values() == {"greeting": "hello", "after": 1}
    assert host.workspace("verify", "notes")["holds"]


def test_keys_of_the_host_leave_it_out_and_say_so(host):
    mounted(host)
    host.set("greeting", "hello")
    (thing,) = [each for each in host("keys", "status", "--json").json["things"] if each["name"] == "workspace notes"]
    assert (thing["blobs"], thing["stays"]) == (
        {},
        "it has keys of its own: strongroom workspace change-password notes",
    )
    refused = host("keys", "rewrap", "--workspace", "notes")
    assert "SR-KEY-032" in refused.err, refused
    host.workspace("export", "notes", str(host.project / "copy"))
    host.workspace("lock", "notes")
    names = [each["name"] for each in host("keys", "status", "--json").json["things"]]
    assert not [name for name in names if "notes" in name or "copy" in name], "no key of the host is needed for it"


def test_data_under_the_keys_of_the_host_gets_no_password_and_a_password_is_asked_for_where_there_is_one(host):
    host.declare()
    host.mount()
    host.set("greeting", "hello")
    refused = mount(host)
    assert "SR-MOUNT-033" in refused.err, refused
    host.workspace("unmount", "notes")
    host.declare(more='keys = "password"')
    refused = mount(host)
    assert "SR-MOUNT-034" in refused.err, refused
    assert "SR-CLI-173" in mount(host, b"").err
    assert "SR-CLI-175" in host("workspace", "mount", str(host.project), "--password", stdin=SECRET).err
    host.declare()
    host.mount()
    assert host.values() == {"greeting": "hello"}, "nothing was lost by asking"
    assert "SR-MOUNT-033" in host("workspace", "lock", "notes").err
