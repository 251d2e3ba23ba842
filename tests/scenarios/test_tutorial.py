"""The commands of the README, run as a reader runs them: a host in one shell, everything else in another."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TIMEOUT_S = 60
END_OF_BLOCK = "-- end of block --"


def blocks(kind: str) -> list[str]:
    """The fenced blocks that the README marks as ``kind``, in order."""
    text = (ROOT / "README.md").read_text()
    return re.findall(rf"^<!-- tutorial: {kind} -->\n```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
def reader() -> Iterator[tuple[Path, dict[str, str]]]:
    """A fresh clone as far as the tutorial sees one, and the environment of a person with an empty home."""
    # Not below pytest's own folder: the path of a Unix socket must be short.
    home = Path(tempfile.mkdtemp(prefix="sr-"))
    clone = home / "clone"
    (clone / "tests" / "guests").mkdir(parents=True)
    (clone / ".venv").symlink_to(sys.prefix)
    (clone / "examples").symlink_to(ROOT / "examples")
    (clone / "tests" / "guests" / "c").symlink_to(ROOT / "tests" / "guests" / "c")
    cache = str(ROOT / ".cache" / "zig")
    own = {"HOME": str(home), "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("STRONGROOM_", "XDG_"))}
    yield clone, {**kept, **own}
    shutil.rmtree(home)


@pytest.fixture
def host(reader: tuple[Path, dict[str, str]]) -> Iterator["subprocess.Popen[str]"]:
    """The first shell of the tutorial. It is interrupted as with Ctrl-C, and must end well."""
    clone, environment = reader
    (script,) = blocks("host")
    shell = subprocess.Popen(
        ["bash", "-ec", script],  # noqa: S607 - the shell that a reader has
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert shell.stdout
        assert "strongroom is ready" in shell.stdout.readline()
        yield shell
    finally:
        os.killpg(shell.pid, signal.SIGINT)
        ended = shell.wait(TIMEOUT_S)
    assert ended == 0


@pytest.fixture
def service(reader: tuple[Path, dict[str, str]]) -> Iterator["subprocess.Popen[str]"]:
    """The service of the tutorial. It is ended as a service manager does, and must end well."""
    clone, environment = reader
    (keys,), (script,) = blocks("service keys"), blocks("service host")
    made = run(keys, clone, environment)
    assert made.returncode == 0, made.stderr
    shell = subprocess.Popen(
        ["bash", "-ec", script],  # noqa: S607 - as above
        cwd=clone,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log: list[str] = []
    try:
        assert shell.stderr
        while "strongroom.app: ready" not in (line := shell.stderr.readline()):
            log.append(line)
            assert line, "".join(log)
        assert not [line for line in log if " warning " in line and "INSECURE SIMULATION" not in line], "".join(log)
        # Read on, so that the service never waits for its reader.
        threading.Thread(target=shell.stderr.read, daemon=True).start()
        yield shell
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        ended = shell.wait(TIMEOUT_S)
    assert ended in {0, -signal.SIGTERM}, "the shell itself may end of the signal"


def run(script: str, clone: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],  # noqa: S607 - as above
        cwd=clone,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def last_document(output: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(
        output[output.rindex("\n{\n") if "\n{\n" in output else output.index("{") :]
    )
    return document


@pytest.mark.usefixtures("host")
def test_the_first_workflow_of_a_reader_runs_as_the_readme_says(reader):
    clone, environment = reader
    first, look, own, replay = blocks("client")
    done = run(f"\necho '{END_OF_BLOCK}'\n".join([first, look, own, replay]), clone, environment)
    assert done.returncode == 0, done.stderr
    said_first, said_look, said_own, said_replay = done.stdout.split(f"{END_OF_BLOCK}\n")

    confidential = last_document(said_first)
    assert confidential["result"] == {"greeting": "hello, x", "api_key": "present, 6 bytes"}
    assert (confidential["status"], confidential["module"]) == ("completed", "confidential")
    assert (confidential["backend"], confidential["insecure"]) == ("insecure-software", True)

    assert "run_created" in said_look
    assert "hello, x" not in said_look

    local = last_document(said_own)
    assert local["result"] == {"greeting": "hello, me", "api_key": "received, 6 bytes"}
    assert (local["module"], local["backend"]) == ("local", "local")

    assert "equal" in said_replay

    (wrong,) = blocks("client, exit 65")
    refused = run(first.splitlines()[0] + "\n" + wrong, clone, environment)
    assert refused.returncode == 65
    assert "SR-ATTR-002" in refused.stderr
    assert "hello" in run(first.splitlines()[0] + "\nstrongroom workflow list", clone, environment).stdout


@pytest.mark.usefixtures("service")
def test_a_service_that_was_set_up_by_hand_runs_a_workflow_as_the_readme_says(reader):
    clone, environment = reader
    (client,) = blocks("service client")
    done = run(client, clone, environment)
    assert done.returncode == 0, done.stderr
    document = last_document(done.stdout)
    assert document["result"] == {"greeting": "hello, x", "api_key": "present, 6 bytes"}
    assert (document["status"], document["module"]) == ("completed", "local")
    home = Path(environment["HOME"]) / "strongroom-service"
    assert sorted(path.name for path in home.iterdir()) == [
        "admin.sock",
        "cache",
        "keyring",
        "keys",
        "observe.sock",
        "run",
        "state",
        "strongroom.sock",
    ]
