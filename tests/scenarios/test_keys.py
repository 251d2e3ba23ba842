"""Keys of a whole host: rotated while it works and is killed, taken from the environment, and recovered elsewhere."""

import json
import shutil

import pyrage
import pytest

from strongroom.keyring.files import load_keyring
from strongroom.pb.strongroom.v1 import run_pb2
from tests.fakes.live_daemon import LiveDaemon, strongroom
from tests.fakes.manifests import IN_PROCESS, shipped_with
from tests.fakes.process_tree import descendants, told_of
from tests.guests.build import guest
from tests.scenarios.conftest import short_directory
from tests.scenarios.test_crashes import wait_for

SECRET = "environment-secret-".ljust(43, "e")


def status(daemon):
    return daemon("keys", "status", "--json").json


def test_a_host_that_is_killed_at_every_step_of_a_rotation_loses_nothing(small):
    small.start()
    with small.channel() as api:
        api.register(guest("config"), "plain", config=b"42")

    def killed_and_back():
        small.kill()
        small.start()

    assert small("keys", "add").code == 0
    killed_and_back()
    assert (status(small)["writing_version"], status(small)["promoted"]) == (1, True)
    assert small("keys", "promote", "2").code == 0
    killed_and_back()
    assert status(small)["writing_version"] == 2
    assert small("keys", "rewrap").code == 0
    killed_and_back()
    assert small("keys", "rewrap", "--wait").code == 0
    assert small("keys", "retire", "1", "--yes", "--key-file", str(small.state / "keyring")).code == 0
    killed_and_back()
    found = status(small)
    assert [(v["version"], v["state"], v["held"]) for v in found["versions"]] == [
        (2, "promoted", True),
        (1, "retired", False),
    ]
    assert load_keyring(small.state / "keyring").versions == (2,)
    with small.channel() as api:
        completed = run_pb2.RUN_STATUS_COMPLETED
        assert api.execute("plain").run.status == completed, "what version 1 sealed reads without it"
    assert small("workflow", "get", "plain", "--json").json["name"] == "plain"


def test_runs_go_on_while_keys_are_promoted_and_read_after_their_version_is_gone(small):
    small.start()
    with small.channel() as api:
        api.register(guest("config"), "plain")
        before = api.execute("plain").run
        small("keys", "add")
        small("keys", "promote", "2")
        after = api.execute("plain").run
    assert before.status == after.status
    for run in (before, after):
        assert small("run", "get", run.run_id, "--json").code == 0
    refused = small("keys", "retire", "1", "--yes")
    assert (refused.code, "of table runs" in refused.err) == (78, True)
    assert small("keys", "rewrap", "--dry-run").code == 0
    assert small("keys", "rewrap", "--wait").code == 0
    assert small("keys", "retire", "1", "--yes", "--key-file", str(small.state / "keyring")).code == 0
    held = [each["version"] for each in status(small)["versions"] if each["held"]]
    assert held == [2]
    small.stop()
    small.start()
    for run in (before, after):
        assert small("run", "get", run.run_id, "--json").code == 0
        events = small("run", "events", run.run_id, "--json").json["events"]
        assert {(each["tampered"], "key v2" in str(each["content"])) for each in events} == {(False, True)}


def test_secrets_of_the_environment_are_taken_once_and_no_child_inherits_them(daemon):
    daemon.variables["ENCRYPTION_SECRETS"] = f"1:{SECRET}"
    daemon.start()
    assert status(daemon)["source"] == {"kind": "environment", "where": "ENCRYPTION_SECRETS"}
    assert not (daemon.state / "keyring").exists(), "no second keyring is made beside it"
    # Runners and plugins; those of the second sort are started on threads of their own.
    wait_for(lambda: len(descendants(daemon.process.pid)) >= 2, "runners and plugins")
    for child in descendants(daemon.process.pid):
        assert SECRET.encode() not in told_of(child, "environ")
        assert SECRET.encode() not in told_of(child, "cmdline")
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


def test_a_second_place_with_other_keys_stops_the_start(small):
    small.start()
    small.stop()
    small.variables["ENCRYPTION_SECRETS"] = f"1:{SECRET}"
    with pytest.raises(AssertionError, match="two places hold different keyrings") as caught:
        small.start()
    assert SECRET not in str(caught.value)


def test_a_lost_host_is_rebuilt_from_a_copy_of_its_data_and_a_recovery_file(small):
    alice = pyrage.x25519.Identity.generate()
    small.start()
    with small.channel() as api:
        for number in range(20):
            api.register(guest("config"), f"plain-{number}", config=b"%d" % number)
    to = ("--recipient", str(alice.to_public()), "--out", str(small.state / "copy.age"))
    assert small("keys", "export-recovery", *to, "--state-dir", str(small.state)).code == 0
    small.stop()
    elsewhere = short_directory()
    try:
        shutil.copy(small.state / "strongroom.db", elsewhere)
        shutil.copy(small.state / "copy.age", elsewhere)
        (elsewhere / "alice.txt").write_text(str(alice))
        # Everything else of the old host is gone.
        shutil.rmtree(small.state)
        small.state.mkdir()
        recovered = strongroom(
            elsewhere, "keys", "init", "--from-recovery", "copy.age", "--identity-file", "alice.txt", "--json"
        )
        assert recovered.code == 0, recovered.err
        assert json.loads(recovered.out)["key_file"] == str(elsewhere / "keyring")
        rebuilt = LiveDaemon(elsewhere, shipped_with(elsewhere, *IN_PROCESS)).start()
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
