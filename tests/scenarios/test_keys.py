"""Keys of a whole host: rotated while it works and is killed, taken from the environment, and recovered elsewhere."""

import json
import shutil
from pathlib import Path

import pyrage
import pytest

from strongroom.keyring.files import load_keyring
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import LiveDaemon, strongroom
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory

SECRET = "environment-secret-".ljust(43, "e")


def children(pid):
    """The processes below ``pid``, all of them."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *children(child)]
    return found


def status(daemon):
    return daemon("keys", "status", "--json").json


def test_a_host_that_is_killed_at_every_step_of_a_rotation_loses_nothing(daemon):
    daemon.start()
    with daemon.channel() as api:
        api.register(guest("config"), "plain", config=b"42")

    def killed_and_back():
        daemon.kill()
        daemon.start()

    assert daemon("keys", "add").code == 0
    killed_and_back()
    assert (status(daemon)["writing_version"], status(daemon)["promoted"]) == (1, True)
    assert daemon("keys", "promote", "2").code == 0
    killed_and_back()
    assert status(daemon)["writing_version"] == 2
    assert daemon("keys", "rewrap").code == 0
    killed_and_back()
    assert daemon("keys", "rewrap", "--wait").code == 0
    assert daemon("keys", "retire", "1", "--yes", "--key-file", str(daemon.state / "keyring")).code == 0
    killed_and_back()
    found = status(daemon)
    assert [(v["version"], v["state"], v["held"]) for v in found["versions"]] == [
        (2, "promoted", True),
        (1, "retired", False),
    ]
    assert load_keyring(daemon.state / "keyring").versions == (2,)
    with daemon.channel() as api:
        completed = run_pb2.RUN_STATUS_COMPLETED
        assert api.execute("plain").run.status == completed, "what version 1 sealed reads without it"
    assert daemon("workflow", "get", "plain", "--json").json["name"] == "plain"


def test_runs_go_on_while_keys_are_promoted_and_block_the_retirement_by_name(daemon):
    daemon.start()
    with daemon.channel() as api:
        api.register(guest("config"), "plain")
        before = api.execute("plain").run
        daemon("keys", "add")
        daemon("keys", "promote", "2")
        after = api.execute("plain").run
    assert before.status == after.status
    for run in (before, after):
        assert daemon("run", "get", run.run_id, "--json").code == 0
    daemon("keys", "rewrap", "--wait")
    refused = daemon("keys", "retire", "1", "--yes")
    assert refused.code == 78
    assert "of table runs" in refused.err
    assert "they go when they are no longer kept" in refused.err


def test_secrets_of_the_environment_are_taken_once_and_no_child_inherits_them(daemon):
    daemon.variables["ENCRYPTION_SECRETS"] = f"1:{SECRET}"
    daemon.start()
    assert status(daemon)["source"] == {"kind": "environment", "where": "ENCRYPTION_SECRETS"}
    assert not (daemon.state / "keyring").exists(), "no second keyring is made beside it"
    below = children(daemon.process.pid)
    assert len(below) >= 2, "runners and plugins"
    for child in below:
        assert SECRET.encode() not in Path(f"/proc/{child}/environ").read_bytes()
        assert SECRET.encode() not in Path(f"/proc/{child}/cmdline").read_bytes()
    added = daemon("keys", "add")
    assert (added.code, added.out[:2], "export ENCRYPTION_SECRETS=" in added.err) == (0, "2:", True)
    assert daemon("keys", "promote", "2").code == 78
    said = "".join(daemon.log)
    assert SECRET not in said
    assert added.out.strip()[2:] not in said
    daemon.stop()
    daemon.variables["ENCRYPTION_SECRETS"] = f"{added.out.strip()},1:{SECRET}"
    daemon.start()
    assert [each["version"] for each in status(daemon)["versions"]] == [2, 1]
    assert SECRET not in "".join(daemon.log)


def test_a_second_place_with_other_keys_stops_the_start(daemon):
    daemon.start()
    daemon.stop()
    daemon.variables["ENCRYPTION_SECRETS"] = f"1:{SECRET}"
    with pytest.raises(AssertionError, match="two places hold different keyrings") as caught:
        daemon.start()
    assert SECRET not in str(caught.value)


def test_a_lost_host_is_rebuilt_from_a_copy_of_its_data_and_a_recovery_file(daemon):
    alice = pyrage.x25519.Identity.generate()
    daemon.start()
    with daemon.channel() as api:
        for number in range(20):
            api.register(guest("config"), f"plain-{number}", config=b"%d" % number)
    to = ("--recipient", str(alice.to_public()), "--out", str(daemon.state / "copy.age"))
    assert daemon("keys", "export-recovery", *to, "--state-dir", str(daemon.state)).code == 0
    daemon.stop()
    elsewhere = short_directory()
    try:
        shutil.copy(daemon.state / "strongroom.db", elsewhere)
        shutil.copy(daemon.state / "copy.age", elsewhere)
        (elsewhere / "alice.txt").write_text(str(alice))
        # Everything else of the old host is gone.
        shutil.rmtree(daemon.state)
        daemon.state.mkdir()
        recovered = strongroom(
            elsewhere, "keys", "init", "--from-recovery", "copy.age", "--identity-file", "alice.txt", "--json"
        )
        assert recovered.code == 0, recovered.err
        assert json.loads(recovered.out)["key_file"] == str(elsewhere / "keyring")
        rebuilt = LiveDaemon(elsewhere).start()
        try:
            listed = rebuilt("workflow", "list", "--json").json["workflows"]
            assert len(listed) == 20
            with rebuilt.channel() as api:
                assert api.execute("plain-7").run.status == run_pb2.RUN_STATUS_COMPLETED
        finally:
            rebuilt.stop()
    finally:
        shutil.rmtree(elsewhere, ignore_errors=True)


def test_serve_refuses_short_secrets_from_every_place(state):
    for name in ("etc", "run", "cache", "credentials"):
        (state / name).mkdir(mode=0o700)
    variables = {
        "CONFIGURATION_DIRECTORY": str(state / "etc"),
        "RUNTIME_DIRECTORY": str(state / "run"),
        "CACHE_DIRECTORY": str(state / "cache"),
    }

    def serve(**more):
        return strongroom(state, "serve", **variables, **more)

    places = {"file": (state / "etc" / "keyring", {}), "credential": (state / "credentials" / "keyring", {})}
    places["credential"][1]["CREDENTIALS_DIRECTORY"] = str(state / "credentials")
    for path, more in places.values():
        path.write_text("1:short")
        path.chmod(0o600)
        refused = serve(**more)
        assert (refused.code, "it has 5 bytes, at least 32 are needed" in refused.err) == (78, True), refused.err
        path.unlink()
    refused = serve(ENCRYPTION_SECRETS="1:short")
    assert (refused.code, "it has 5 bytes, at least 32 are needed" in refused.err) == (78, True), refused.err
    assert not (state / "strongroom.db").exists(), "nothing was written"
    assert list((state / "cache").iterdir()) == []
