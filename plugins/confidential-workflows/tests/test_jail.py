"""What an enclave runner cannot do once it is sealed, tried from the inside under either local launcher.

Source: contracts/attestation.md 3, 20 and 21.7.
"""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import brotli
import pytest

from strongroom.attest.measurement import RUNNER_PACKAGES, measurement_of
from strongroom.plugin.installed import program_files
from strongroom_confidential_workflows.messages import CapabilityCall
from tests.fakes.runner_modes import descendants_of, needs_bubblewrap, started
from tests.fakes.runner_rig import RunnerRig
from tests.guests.build import wasm

ROOT = Path(__file__).resolve().parents[3]
CANARY = b"canary-7f3d9b52e1-in-plain-text"
NEVER_IMPORTED = {"grpc", "pluggy", "sqlalchemy", "alembic", "pydantic", "yaml", "typer", "asyncio", "http", "pip"}
OURS_NEVER_IMPORTED = {"services", "storage", "keyring", "registry", "engine", "app", "cli", "settings", "telemetry"}


@pytest.fixture(params=["process", "bubblewrap"])
def launcher(request):
    return request.param


@pytest.fixture
def rig(tmp_path):
    return RunnerRig(tmp_path, values={"Foo": CANARY})


@pytest.fixture
def start(launcher, rig):
    runners = []

    def start(mode=""):
        runner, ready = started(launcher, rig, mode)
        runners.append(runner)
        return runner, ready

    yield start
    for runner in runners:
        runner.close()


@pytest.fixture
def inside(start, rig):
    """What a runner says of itself that tried everything."""
    runner, ready = start("attempts")
    if lacking := [text for text in ready.missing if not text.startswith("own-user")]:
        pytest.skip(f"this kernel lacks {', '.join(lacking)}")
    rig.start(runner)
    return json.loads(rig.until(runner).result)


def test_nothing_outside_can_be_reached_from_the_inside(inside, launcher):
    # In namespaces of its own most of what it tries is not even there.
    refused = {"EPERM", "EACCES", "ENOENT"} if launcher == "bubblewrap" else {"EPERM", "EACCES"}
    reached = {name: said for name, said in inside["outcome"].items() if said not in refused}
    assert reached == {}
    assert inside["outcome"]["read its own program"] == "EACCES"
    assert inside["outcome"]["connect over IP"] == "EPERM"
    assert len(inside["outcome"]) >= 18


def test_it_leaves_no_core(inside):
    assert inside["core"] == [0, 0]


def test_it_is_nobody_without_capabilities_and_groups(start, launcher):
    runner, ready = start()
    pid = runner.pid if launcher == "process" else descendants_of(runner.pid)[-1]
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    reasons = [text for text in ready.missing if text.startswith("own-user: ")]
    if launcher == "bubblewrap":
        users, _, count = Path(f"/proc/{pid}/uid_map").read_text().split()
        assert (users, count) == ("65534", "1")
        assert reasons == ["own-user: it is user 65534 in its namespace, and outside of it whoever started it"]
    elif os.geteuid() == 0:
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65534"}
        assert status["Groups"].split() == []
        assert "own-user" in ready.protections
    else:
        assert reasons == [f"own-user: user {os.geteuid()} started it, and only root can give it another user"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a runner: run this as root")
def test_it_holds_its_link_and_nothing_else(start):
    runner, _ = start()
    pid = descendants_of(runner.pid)[-1]
    held = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert sorted(link.partition(":")[0] for link in held) == ["/dev/null"] * 3 + ["socket"]


def test_it_ends_with_the_process_that_started_it(launcher, tmp_path):
    program = (
        "import pathlib, sys\n"
        "from tests.fakes.runner_modes import started\n"
        "from tests.fakes.runner_rig import RunnerRig\n"
        "runner, _ = started(sys.argv[1], RunnerRig(pathlib.Path(sys.argv[2])))\n"
        "print(runner.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    if launcher == "bubblewrap":
        needs_bubblewrap()
    command = [sys.executable, "-c", program, launcher, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as starting:
        handles = [os.pidfd_open(pid) for pid in descendants_of(int(starting.stdout.readline()))]
        starting.kill()
    for handle in handles:
        ended, _, _ = select.select([handle], [], [], 30)
        os.close(handle)
        assert ended, "it lives on"


def test_it_imports_a_closed_set_of_modules(inside):
    """What is imported is trusted: no server, storage, keyring or registry, and nothing that is discovered."""
    assert {name.split(".")[0] for name in inside["modules"]}.isdisjoint(NEVER_IMPORTED)
    parts = {tuple(name.split(".")[:2]) for name in inside["modules"]}
    assert {second for first, *rest in parts for second in rest if first == "strongroom"}.isdisjoint(
        OURS_NEVER_IMPORTED
    )
    of_others = {"strongroom_confidential_workflows.plugin", "cryptography.x509", "importlib.metadata"}
    assert of_others.isdisjoint(inside["modules"]), "it verifies no certificate, and asks for no distribution"


NOTHING_LATE = {"imported": [], "events": []}


@pytest.mark.parametrize("guest", ["hello", "secrets", "async-calls", "logging", "time", "trap", "errors"])
def test_an_execution_imports_and_opens_nothing_after_it_was_sealed(start, rig, guest):
    runner, _ = start("late")
    rig.start(runner, guest)
    assert json.loads(rig.until(runner).error) == NOTHING_LATE


@pytest.mark.parametrize("how", ["refused", "out of time", "no program", "compressed"])
def test_an_execution_that_goes_another_way_imports_and_opens_nothing_either(start, rig, how):
    runner, _ = start("late")
    rig.refusal = "SR-ATTEST-027 no" if how == "refused" else ""
    stored = {"no program": b"no program", "compressed": brotli.compress(wasm("hello"))}.get(how)
    outcomes = {"refused": "refused", "out of time": "timed_out", "no program": "refused", "compressed": "result"}
    rig.start(runner, "loop", stored=stored, timeout_ms=700 if how == "out of time" else 60_000)
    finished = rig.until(runner)
    assert finished.outcome == outcomes[how]
    assert json.loads(finished.error) == NOTHING_LATE


def test_what_it_measures_of_itself_is_what_is_installed(start):
    _, ready = start()
    assert ready.measurement == measurement_of(program_files(RUNNER_PACKAGES))


def test_an_execution_gives_its_secret_to_its_guest(start, rig):
    runner, _ = start()
    rig.start(runner, "secrets")
    finished = rig.until(runner)
    assert (finished.outcome, finished.error) == ("result", "")
    assert CANARY in finished.result


def test_a_runner_that_is_killed_in_mid_run_leaves_no_plaintext_behind(start, rig, launcher, tmp_path):
    runner, _ = start()
    rig.start(runner, "async-calls")
    assert isinstance(rig.until(runner, CapabilityCall), CapabilityCall)  # it has its secrets, and waits
    os.kill(descendants_of(runner.pid)[-1], signal.SIGKILL)
    assert runner.end() in {"was killed by signal 9", "exited with code 137"}
    assert holding(CANARY, tmp_path, Path.cwd(), Path("/dev/shm"), Path("/var/tmp")) == []


def holding(words, *folders):
    """Files directly in these folders, and below the first, that have ``words`` in them; and files of core."""
    files = [path for path in folders[0].rglob("*") if path.is_file()]
    for folder in folders[1:]:
        if folder.is_dir():
            files += [path for path in folder.iterdir() if path.is_file() and path.stat().st_size < 1 << 24]
    return [str(path) for path in files if words in path.read_bytes() or path.name.startswith("core")]
