"""The commands of examples/README.md, run as a reader runs them, without a host."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "examples" / "README.md").read_text()
TIMEOUT_S = 60
DURATION = re.compile(r"\d+\.\d+ ms|(?<=run_timeout_ms {9})\d+ +")


def block(kind):
    """The fenced block that the page marks as ``kind``."""
    [found] = re.findall(
        rf"^<!-- examples: {re.escape(kind)} -->\n```(?:sh)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
    return found


@pytest.fixture
def clone(tmp_path):
    """A fresh clone as far as the page sees one."""
    (tmp_path / "tests" / "guests").mkdir(parents=True)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "tests" / "guests" / "c").symlink_to(ROOT / "tests" / "guests" / "c")
    return tmp_path


def run(clone, *scripts):
    cache = str(ROOT / ".cache" / "zig")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("STRONGROOM_", "XDG_"))}
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", "\n".join(scripts)],  # noqa: S607 - the shell that a reader has
        cwd=clone,
        env={**kept, "HOME": str(clone), "ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_simulation_of_prices_shows_what_the_page_shows(clone):
    done = run(clone, block("simulate"))
    assert (done.returncode, done.stderr) == (0, "")
    assert DURATION.sub("N", done.stdout) == DURATION.sub("N", block("simulate, output"))
    assert "k3y" not in done.stdout


def test_two_calls_are_open_at_once_and_both_use_the_secret(clone):
    done = run(clone, block("simulate").rstrip() + " --json")
    document = json.loads(done.stdout)
    assert document["status"] == "completed"
    trigger = document["phases"][-1]
    assert trigger["secrets"] == ["main/PRICES_KEY"]
    tokens = [call["payload"]["headers"]["authorization"] for call in trigger["calls"]]
    assert tokens == ["Bearer ***", "Bearer ***"]


def test_calls_without_a_mock_are_listed_and_the_list_can_be_pasted(clone):
    setup = block("simulate").splitlines()[0]
    done = run(clone, setup, block("without mocks, exit 1"))
    assert done.returncode == 1
    _, _, listed = done.stderr.partition("fill it in:\n")
    assert "k3y" not in done.stdout + done.stderr
    (clone / "pasted.yaml").write_text(listed.replace('"statusCode": 0, "body": {"text": ""}', '"statusCode": 204'))
    again = run(clone, setup, block("without mocks, exit 1").rstrip() + " --mock pasted.yaml")
    assert "gave no price, status 204" in again.stdout
    assert again.stderr == ""


def test_what_an_enclave_would_refuse_is_said(clone):
    done = run(clone, block("simulate").splitlines()[0], block("an enclave would refuse, exit 1"))
    assert done.returncode == 1
    assert "main/PRICES_KEY is not listed in the workflow's attributes" in done.stdout
    assert "warning: secret main/PRICES_KEY is not in vault_don_secrets: the enclave refuses it" in done.stderr


def test_a_guest_that_is_built_as_the_page_says_is_the_one_that_is_there(clone):
    done = run(clone, block("simulate").splitlines()[0], block("build"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == {"first": "3120.50", "pair": "ETH-USD", "second": "3119.75"}
    assert (clone / "prices.wasm").read_bytes() == (ROOT / "examples" / "prices" / "prices.wasm").read_bytes()
