"""The program as a whole: exit codes, streams, help, and answers of a host that are errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from strongroom import errors
from strongroom.cli import main
from strongroom.cli.exits import MEANINGS, Exit, exit_for
from tests.fakes.daemon import RefusedError
from tests.fakes.terminal import strongroom

BINARY = str(Path(sys.executable).with_name("strongroom"))

STATUSES = {
    "CANCELLED": 75,
    "UNKNOWN": 70,
    "INVALID_ARGUMENT": 65,
    "DEADLINE_EXCEEDED": 75,
    "NOT_FOUND": 65,
    "ALREADY_EXISTS": 65,
    "PERMISSION_DENIED": 77,
    "UNAUTHENTICATED": 77,
    "RESOURCE_EXHAUSTED": 75,
    "FAILED_PRECONDITION": 65,
    "ABORTED": 75,
    "OUT_OF_RANGE": 65,
    "UNIMPLEMENTED": 69,
    "INTERNAL": 70,
    "UNAVAILABLE": 69,
    "DATA_LOSS": 74,
}


@pytest.mark.parametrize(("status", "code"), STATUSES.items(), ids=STATUSES)
def test_every_status_of_an_answer_has_its_exit_code(host, status, code):
    host.fail = lambda: RefusedError(grpc.StatusCode[status], "SR-TEST-001", "no", why="because", fix="do this", id="7")
    ended = strongroom("status", "--json")
    assert ended.code == code
    assert ended.out == ""
    assert ended.error == {
        "code": "SR-TEST-001",
        "what": "no",
        "why": "because",
        "fix": "do this",
        "details": {"id": "7"},
        "exit_code": code,
    }


def test_every_status_is_in_that_table():
    assert STATUSES.keys() == {status.name for status in grpc.StatusCode} - {"OK"}


@pytest.mark.parametrize("reason", ["SR-CONF-001", "SR-KEY-002", "SR-KEYRING-003"])
def test_a_host_with_wrong_configuration_or_keys_ends_with_78(host, reason):
    host.fail = lambda: RefusedError(grpc.StatusCode.FAILED_PRECONDITION, reason, "no")
    assert strongroom("status").code == 78


def test_what_is_too_large_is_bad_data_and_not_worth_trying_again(host):
    host.fail = lambda: RefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, "SR-X-001", "big", size="9", limit="8")
    assert strongroom("status").code == 65


def test_a_capability_that_answers_with_an_error_is_a_failed_call(host):
    host.fail = lambda: RefusedError(grpc.StatusCode.UNKNOWN, "SR-CAP-001", "it said no")
    ended = strongroom("capability", "call", "x@1.0.0", "Do")
    assert ended.code == 1
    assert "it said no" in ended.err


def test_an_exception_in_the_host_is_our_bug_and_shows_nothing_of_it(host):
    host.fail = lambda: RuntimeError("payload-canary")
    ended = strongroom("status")
    assert ended.code == 70
    assert "SR-GRPC-002" in ended.err
    assert "canary" not in ended.err


USAGE = {
    "unknown-noun": ["wrokflow"],
    "unknown-verb": ["run", "exec"],
    "unknown-option": ["run", "list", "--lmit", "3"],
    "missing-argument": ["run", "get"],
    "wrong-type": ["run", "list", "--limit", "many"],
    "out-of-range": ["run", "list", "--limit", "0"],
    "too-many-arguments": ["run", "get", "a", "b"],
    "wrong-choice": ["completion", "csh"],
    "no-deadline": ["status", "--timeout", "0"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_a_command_that_is_written_wrongly_ends_with_2(host, arguments):
    ended = strongroom(*arguments, "--json")
    assert ended.code == 2
    assert ended.out == ""
    assert ended.error["code"] == "SR-CLI-001"
    assert "--help" in ended.error["fix"]
    assert not host.asked


@pytest.mark.parametrize(
    "arguments",
    [["run", "get", "\udcff"], ["workflow", "get", "h", "--owner", "\udcff"], ["capability", "call", "\udcff", "Do"]],
    ids=["argument", "option", "message"],
)
def test_a_word_that_is_no_text_is_named_by_its_place_and_is_no_fault_of_ours(host, arguments):
    ended = strongroom(*arguments)
    assert ended.code == 2
    assert "SR-CLI-019" in ended.err
    assert f"word {arguments.index(chr(0xDCFF)) + 1} after strongroom is not UTF-8" in ended.err
    assert not host.asked


def test_a_wrong_choice_is_said_in_the_words_of_a_person():
    ended = strongroom("completion", "csh")
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in ended.err
    assert "Value error" not in ended.err
    assert "\\n" not in strongroom("completion").err


def test_an_interrupt_while_the_program_is_read_ends_without_a_traceback():
    probe = """
import sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from strongroom.cli.entry import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_near_miss_is_recognised():
    assert "Did you mean 'execute'?" in strongroom("run", "exec").err


def test_the_program_alone_shows_its_help_and_ends_with_2():
    ended = strongroom()
    assert ended.code == 2
    assert "strongroom dev" in ended.err
    assert ended.out == ""


def test_a_fault_of_our_own_ends_with_70_and_shows_no_text_of_it(monkeypatch):
    def broken(*arguments: object) -> int:
        raise RuntimeError("secret-canary")

    monkeypatch.setattr(main, "_invoke", broken)
    ended = strongroom("status", "--json")
    assert ended.code == 70
    assert "canary" not in ended.err
    assert "RuntimeError at tests.cli.test_main" in ended.error["why"] or "test_main" in ended.error["why"]


def test_an_interruption_ends_with_130(monkeypatch):
    def interrupted(*arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "_invoke", interrupted)
    assert strongroom("status").code == 130


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInput("SR-T-1", "x"), 65),
        (errors.NotFound("SR-T-1", "x"), 65),
        (errors.Conflict("SR-T-1", "x"), 65),
        (errors.LimitExceeded("SR-T-1", "x"), 65),
        (errors.Forbidden("SR-T-1", "x"), 77),
        (errors.Tampered(), 74),
        (errors.KeyMissing("SR-T-1", "x"), 78),
        (errors.Misconfigured("SR-T-1", "x"), 78),
        (errors.StorageFault("SR-T-1", "x"), 74),
        (errors.Unavailable("SR-T-1", "x"), 69),
        (errors.PluginFault("SR-T-1", "x"), 69),
        (errors.TimedOut("SR-T-1", "x"), 75),
        (errors.GuestFault("SR-T-1", "x"), 1),
        (errors.Cancelled("SR-T-1", "x"), 1),
        (errors.CapabilityError("Public", "User", "Internal", "x"), 1),
        (errors.SealBudgetExceeded("SR-T-1", "x"), 65),
        (errors.RuntimeDecryptionError("SR-T-1", "x", byte_length=4, format_prefix="encr"), 74),
        (errors.Internal("SR-T-1", "x"), 70),
        (errors.StrongroomError("SR-T-1", "x"), 70),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, Exception) else "",
)
def test_every_error_of_this_process_has_its_exit_code(error, code):
    assert exit_for(error) == code


def test_every_exit_code_has_a_meaning():
    assert set(MEANINGS) == set(Exit)


def test_the_help_imports_nothing_heavy():
    probe = "import sys\nfrom strongroom.cli.main import run\nrun(['--help'])\nprint(*sys.modules, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    loaded = set(ended.stderr.split())
    heavy = {
        "grpc",
        "pydantic",
        "pydantic_settings",
        "yaml",
        "rich",
        "nacl",
        "sqlalchemy",
        "google.protobuf",
        "wasmtime",
    }
    assert not heavy & loaded
    assert "strongroom dev" in ended.stdout


@pytest.mark.parametrize("noun", main.NOUNS)
def test_a_noun_says_the_same_of_itself_as_the_root_does(noun):
    assert main.NOUNS[noun] in strongroom(noun, "--help").out


def test_as_a_process_stdout_is_data_and_the_exit_code_is_the_programs(host, tmp_path):
    environment = {"PATH": os.environ["PATH"], "STRONGROOM_STATE_DIR": str(tmp_path)}
    done = subprocess.run([BINARY, "status", "--json"], capture_output=True, text=True, env=environment, check=False)
    gone = subprocess.run(
        [BINARY, "status", "--json", "--socket", "/nowhere"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["writing_key_id"] == "k1-0a1b2c3d"
    assert done.stderr == ""
    assert gone.returncode == 69
    assert gone.stdout == ""
    assert json.loads(gone.stderr)["error"]["code"] == "SR-CLI-020"


def test_the_status_for_people_says_what_is_not_protected(host):
    shown = strongroom("status").out
    assert "insecure-software · NO HARDWARE PROTECTION" in shown
    assert "DEGRADED:     enclave: it has no hardware; for dev\n" in shown
    assert "landlock: kernel too old" in shown
    assert "launcher-bubblewrap" in shown
    assert len(shown.splitlines()) < 25


def test_the_status_says_that_without_a_backend_confidential_workflows_fail(host, monkeypatch):
    monkeypatch.setattr(host, "backend", "")
    assert "none: confidential workflows fail\n" in strongroom("status").out


def test_capabilities_and_plugins_are_listed(host):
    assert strongroom("capability", "list", "--json").document["capabilities"][0]["id"] == "vault@1.0.0"
    assert strongroom("plugin", "list", "--json").document["plugins"][0]["state"] == "ready"
    assert "vault@1.0.0" in strongroom("plugin", "list").out


def test_a_capability_is_called_with_json(host):
    ended = strongroom("capability", "call", "echo@1.0.0", "Do", "--payload", '{"a": 1}', "--json")
    assert ended.document["response"] == {"a": 1}
    assert (host.asked[0].capability_id, host.asked[0].method) == ("echo@1.0.0", "Do")


def test_the_version_is_shown_in_both_ways():
    assert strongroom("--version").out == strongroom("version").out
    assert strongroom("version", "--json").document["schema"] == "strongroom.version/v1"
