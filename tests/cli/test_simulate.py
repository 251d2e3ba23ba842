"""`workflow simulate`: what it shows, where it gets things from, and how it ends."""

import json

import brotli
import pytest

from tests.fakes.terminal import strongroom
from tests.guests.build import ROOT, guest, wasm

PRICES = ROOT / "examples" / "prices"
PAYLOAD = '{"pair": "ETH-USD"}'


def simulate(*arguments, stdin="", file=PRICES / "prices.wasm"):
    """Exit code, stdout and stderr of one simulation."""
    ended = strongroom("workflow", "simulate", str(file), *map(str, arguments), stdin=stdin.encode())
    return ended.code, ended.out, ended.err


def document(output):
    shown = json.loads(output)
    assert shown["schema"] == "strongroom.simulation/v1"
    return shown


def test_a_run_that_completes_ends_with_0_and_shows_what_it_used():
    listed = '{"vault_don_secrets": [{"key": "PRICES_KEY"}]}'
    arguments = ("--payload", PAYLOAD, "--mock", PRICES / "mocks.yaml", "--attributes", listed, "-e", "-", "--json")
    code, output, said = simulate(*arguments, stdin="PRICES_KEY=k3y\n")
    shown = document(output)
    assert (code, said, shown["status"], shown["error"]) == (0, "", "completed", "")
    assert shown["result"] == {"first": "3120.50", "pair": "ETH-USD", "second": "3119.75"}
    used = {limit["name"]: (limit["used"], limit["limit"]) for limit in shown["limits"]}
    assert used["http_action_calls_max"] == (2, 5)
    assert used["secrets_bytes_max"] == (3, 27_000)
    assert 0 < used["memory_bytes_max"][0] < used["memory_bytes_max"][1] == 100_000_000
    assert [phase["phase"] for phase in shown["phases"]] == ["subscribe", "trigger"]


def test_secrets_are_shown_nowhere_and_their_exposure_is_said(tmp_path):
    keys = tmp_path / "keys.env"
    keys.write_text("# for a test\nexport Foo='a secret of mine'\n")
    code, output, said = simulate("--env", keys, "--json", file=guest("secrets"))
    assert code == 0
    assert "a secret of mine" not in output + said
    assert document(output)["result"] == "***"
    assert "warning: the guest wrote the value of secret main/Foo into its result" in said


@pytest.mark.parametrize("attributes", ["{}", '{"vault_don_secrets": [{"key": "prices_key"}]}'])
def test_with_attributes_the_guest_gets_only_the_secrets_that_they_list(attributes):
    code, output, _ = simulate("--payload", PAYLOAD, "-e", "-", "--attributes", attributes, stdin="PRICES_KEY=k3y\n")
    assert code == 1
    assert "main/PRICES_KEY is not listed in the workflow's attributes: register it with" in output


def test_without_attributes_it_gets_them_all_and_it_is_said_that_a_host_would_refuse():
    _, output, said = simulate("--payload", PAYLOAD, "-e", "-", stdin="PRICES_KEY=k3y\n")
    assert "is not listed" not in output
    assert "warning: secret main/PRICES_KEY is not in vault_don_secrets: a host refuses it to the guest" in said


def test_a_secret_that_is_not_given_is_named():
    code, output, said = simulate("--payload", PAYLOAD)
    assert code == 1
    assert "error:    could not find secret" in output
    assert "the guest asked for secret main/PRICES_KEY, which was not given" in said


def test_a_pre_hook_runs_first_and_what_it_forbids_is_denied():
    code, output, _ = simulate("--json", file=guest("restrictions"))
    shown = document(output)
    assert code == 1
    assert [phase["phase"] for phase in shown["phases"]] == ["subscribe", "pre-hook", "trigger"]
    denied = "call denied by user pre-hook restrictions: basic-test-action@1.0.0 PerformAction"
    assert denied in shown["error"]
    assert shown["missing_mocks"] == "", "a call that is denied needs no mock"


def test_another_trigger_gets_its_payload_as_a_host_wraps_it():
    payload = '{"coolOutput": "different"}'
    code, output, _ = simulate("--trigger", 1, "--payload", payload, "--json", file=guest("multi-trigger"))
    assert (code, document(output)["result"]) == (0, "called 1 with different")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--trigger", "9"), "SR-SIM-004"),
        (("--limits", "none"), "SR-SIM-005"),
        (("--limits", "nothing.yaml"), "SR-SIM-002"),
        (("--mock", "nothing.yaml"), "SR-SIM-001"),
        (("--env", "nothing.env"), "SR-CLI-007"),
        (("--env", "PRICES_KEY=k3y"), "SR-CLI-038"),
        (("--payload", "{"), "SR-CLI-005"),
        (("--payload", '["a"]', "--config", "x" * 50_001), "SR-SIM-008"),
        (("--attributes", '{"Confidential": true}'), "SR-ATTR-005"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, tuple) else value,
)
def test_what_a_host_would_refuse_ends_with_65(arguments, code):
    status, output, said = simulate(*arguments)
    assert (status, output) == (65, "")
    assert code in said
    assert "k3y" not in said


@pytest.mark.parametrize("name", ["legacy", "no-memory", "unknown-import"])
def test_a_module_that_no_host_takes_ends_with_65(name):
    status, _, said = simulate(file=guest(name))
    assert status == 65
    assert "SR-GUEST-010" in said


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("trap", "wasm trap"),
        ("trap-at-subscribe", "wasm trap"),
        ("silent", "could not find response for execution"),
        ("refuses-at-subscribe", "this workflow does not want to start"),
        ("wrong-kind", "it answered a trigger with trigger_subscriptions"),
        ("wrong-kind-at-subscribe", "it answered subscribe with value"),
        ("nothing-at-subscribe", "it answered subscribe with an empty result"),
        ("many-triggers-at-subscribe", "more than 10 (limits.subscriptions_max)"),
    ],
)
def test_a_guest_that_breaks_its_contract_ends_with_1_and_the_reason(name, why):
    status, output, _ = simulate("--json", file=guest(name))
    assert status == 1
    assert why in document(output)["error"]


def test_the_limits_of_a_host_are_read_from_its_file(tmp_path):
    path = tmp_path / "limits.yaml"
    assert strongroom("workflow", "limits", "export", "--offline", "--output", str(path)).code == 0
    text = path.read_text()
    path.write_text(text.replace("run_timeout_ms: 300000", "run_timeout_ms: 50"))
    status, output, _ = simulate("--limits", path, "--json", file=guest("loop"))
    assert status == 1
    assert document(output)["error"].startswith("context deadline exceeded")
    assert "50 ms" in document(output)["error"]
    assert "limits.run_timeout_ms" in document(output)["error"]


def test_a_compressed_binary_is_measured_as_it_is(tmp_path):
    path = tmp_path / "config.wasm.br"
    path.write_bytes(brotli.compress(wasm("config")))
    code, output, _ = simulate("--config", "some config", "--json", file=path)
    shown = document(output)
    assert (code, shown["encoding"], shown["result"]) == (0, "brotli", "c29tZSBjb25maWc=")
    assert {"name": "binary_compressed_bytes_max", "used": path.stat().st_size, "limit": 20_000_000} in shown["limits"]


def test_chance_is_the_same_in_every_simulation(tmp_path):
    mocks = tmp_path / "mocks.yaml"
    mocks.write_text("basic-test-node-action@1.0.0: {PerformAction: {answer: {outputThing: 150}}}")
    said = {simulate("--mock", mocks, "--json", file=guest("random"))[1].split('"result"')[1][:30] for _ in range(2)}
    assert len(said) == 1
