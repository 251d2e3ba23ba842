"""The first contact with ``serve``: what is missing is said one thing after another, each with what to do about it."""

import re
import signal
import subprocess
import threading

import pytest

from tests.fakes.live_daemon import PROGRAM, environment, strongroom
from tests.fakes.loaded_program import forked


def elsewhere(state):
    """Flags for every place but that of keys, as somebody has them who is not root."""
    return (
        *("--state-dir", str(state / "state"), "--socket", str(state / "s.sock")),
        *("--set", f"cache_dir={state}/cache", "--set", f"runtime_dir={state}/run"),
    )


def sh(command):
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)  # noqa: S607 - any shell


class Service:
    """``strongroom serve``, until it is told to stop."""

    def __init__(self, state, *arguments):
        self.log = []
        variables = environment(state, CONFIGURATION_DIRECTORY=str(state / "etc"))
        self.process = forked(PROGRAM[-1], ["serve", *arguments], variables, state)
        for line in self.process.stderr:
            self.log.append(line)
            if "strongroom.app: ready" in line:
                break
        else:
            raise AssertionError("".join(self.log))
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@pytest.fixture
def serve():
    running = []

    def start(state, *arguments):
        running.append(Service(state, *arguments))
        return running[-1]

    yield start
    for service in running:
        service.stop()


def test_following_what_serve_says_leads_to_a_service_with_a_vault(state, serve):
    etc = state / "etc"
    refused = strongroom(state, "serve", *elsewhere(state), CONFIGURATION_DIRECTORY=str(etc))
    assert refused.code == 78
    assert "--set keyring_file=FILE" in refused.err
    made = sh(re.search(r"make one: (.+)", refused.err)[1])
    assert (made.returncode, made.stderr) == (0, "")

    first = serve(state, *elsewhere(state))
    status = strongroom(state, "status", "--socket", str(state / "s.sock"), "--json").json
    (problem,) = vault_problems(status)
    assert f"vault key file {etc}/keys/vault.key does not exist" in problem
    assert first.stop() == 0
    made = sh(re.search(r"for this empty vault: (.+?)(?: \([^()]*\))?$", problem)[1])
    assert made.returncode == 0, made.stderr

    serve(state, *elsewhere(state))
    status = strongroom(state, "status", "--socket", str(state / "s.sock"), "--json").json
    assert vault_problems(status) == []


def vault_problems(status):
    """What is said of the vault. Runners have no evidence to make before somebody configures it, which is said too."""
    assert all("vault" in each or "confidential-workflows" in each for each in status["plugin_problems"])
    return [each for each in status["plugin_problems"] if each.startswith("vault")]


@pytest.mark.parametrize("setting", ["cache_dir", "runtime_dir", "socket"])
def test_a_place_that_cannot_be_used_names_its_setting(state, setting):
    (state / "file").write_text("")
    (state / "etc").mkdir()
    (state / "etc" / "keyring").write_text("1:" + "s" * 43)
    (state / "etc" / "keyring").chmod(0o600)
    inside = state / "file" / "x"
    refused = strongroom(
        state,
        "serve",
        *elsewhere(state),
        *("--socket", str(inside / "s.sock")) if setting == "socket" else ("--set", f"{setting}={inside}"),
        CONFIGURATION_DIRECTORY=str(state / "etc"),
    )
    assert refused.code == 78
    assert f"--set {setting}=" in refused.err


def test_a_keyring_inside_the_state_is_warned_of_in_the_log(state, serve):
    (state / "state").mkdir(mode=0o700)
    keyring = state / "state" / "keyring"
    keyring.write_text("1:" + "s" * 43)
    keyring.chmod(0o600)
    service = serve(state, *elsewhere(state), "--set", f"keyring_file={keyring}")
    (warning,) = [line for line in service.log if "copy of the keys" in line]
    assert " warning strongroom.app: " in warning
    assert str(keyring) in warning
