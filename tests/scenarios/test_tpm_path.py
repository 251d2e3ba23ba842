"""Confidential runs whose evidence a TPM makes, a software one: first as a simulation, then as ``tpm2``.

Everything is set up by the commands of docs/attestation.md. Between the runners and the TPM sits somebody who may lie.
"""

import json
import shutil
from pathlib import Path

import pytest

from strongroom.attest.codes import BINDING, IDENTITY, MEASUREMENT, STALE
from strongroom.crypto.signing import SigningKey
from strongroom.settings.model import DEFAULT_OWNER
from strongroom.tpm.wire import TpmRefused
from strongroom_confidential_workflows.providers.tpm_certificate import INDEX
from strongroom_confidential_workflows.providers.tpm_keys import create_ak
from tests.fakes.software_tpm import extend, needs_swtpm, store
from tests.fakes.tpm_host import RUNNERS, VAULT, TpmMachine, operator, tried
from tests.fakes.tpm_relay import of_another_challenge
from tests.fakes.vault_service import VaultService
from tests.scenarios.conftest import short_directory

pytestmark = needs_swtpm
HELLO = Path(__file__).resolve().parents[2] / "examples" / "hello" / "hello.wasm"
LISTED = '{"confidential": true, "vault_don_secrets": [{"key": "API_KEY"}], "retry": {"attempts_max": 1}}'
REGISTER = ("workflow", "register", str(HELLO), "--name", "hello", "--attributes", LISTED)
CANARY = b"s3cret-canary"
GREETED = {"greeting": "hello, x", "api_key": f"present, {len(CANARY)} bytes"}
KEYS_LOADED_MAX = 3
DEVELOPMENT_PCRS = "development_pcrs: "


@pytest.fixture(scope="module")
def machines():
    """Machines by name, each with a directory of its own."""
    made = {}

    def machine(name):
        made[name] = TpmMachine(short_directory())
        return made[name]

    yield machine
    for each in made.values():
        each.close()
        shutil.rmtree(each.directory, ignore_errors=True)


@pytest.fixture(scope="module")
def simulated(machines):
    """A host with a vault for tests beside it, which takes the TPM as ``insecure-swtpm``."""
    machine = machines("simulated")
    home, certificate = machine.directory / "keys", machine.directory / "ak.der"
    operator(VAULT, "init", home, "--test")
    shown = machine.show("insecure-swtpm", machine.tpm.path, "ak")
    key = ("--ak", machine.directory / "ak", "--authority", home / "development-ca.key")
    operator(VAULT, "enrol-tpm", "certify", certificate, *key)
    pcrs = json.loads(shown.split(DEVELOPMENT_PCRS)[1].splitlines()[0])
    vault = {"key_file": str(home / "vault.key"), "development_pcrs": pcrs}
    chain = (certificate, home / "development-ca.der")
    daemon = machine.host("insecure-swtpm", chain, vault, home / "enclave-config.cbor")
    registered = daemon(*REGISTER)
    assert registered.code == 0, registered.err
    assert daemon("secret", "set", "API_KEY", "--min-assurance", "none", stdin=CANARY).code == 0
    return machine


@pytest.fixture(scope="module")
def enrolled(machines):
    """A host whose TPM has an enrolled key, and a production vault apart from it, which asks for class ``vtpm``."""
    machine = machines("enrolled")
    here = machine.directory
    owner = SigningKey.generate()
    owner.save(here / "owner.key")
    service = VaultService(here, options=(), is_test=False, owners={f"0x{DEFAULT_OWNER}": owner.public.hex()})
    machine.chain = ek, maker = here / "ek.der", here / "maker.der"
    in_the_tpm, published = machine.certified("maker")
    maker.write_bytes(published)
    with machine.tpm.wire() as wire:
        store(wire, INDEX, in_the_tpm + b"\xff" * 100)
    accepted = machine.show("tpm2", machine.tpm.path, "ak", "--ek", ek)
    operator(VAULT, "enrol-tpm", "challenge", here / "c", "--ak", here / "ak", "--ek", ek, "--maker", maker)
    answer = operator(RUNNERS, "tpm", "answer", here / "c", "--device", machine.tpm.path)
    section = operator(VAULT, "enrol-tpm", "check", here / "c", answer.strip())
    policy = service.home / "vault-policy.toml"
    text = policy.read_text().replace('min_assurance = "hardware"', 'min_assurance = "vtpm"')
    policy.write_text(f"{text}\n{accepted}\n{section}")
    operator(VAULT, "sign-policy", policy, "--key", service.home / "vault-policy.key")
    machine.service = service.start()
    vault = {"remote": service.section()}
    daemon = machine.host("tpm2", machine.chain, vault, service.home / "enclave-config.cbor")
    registered = daemon(*REGISTER)
    assert registered.code == 0, registered.err
    key = ("--vault-key", str(service.home / "vault.pub"))
    stored = daemon("secret", "set", "API_KEY", *key, "--min-assurance", "vtpm", stdin=CANARY)
    assert stored.code == 0, stored.err
    words = ("--owner-key", str(here / "owner.key"), "--binary", str(HELLO), "--min-assurance", "vtpm", "--yes")
    granted = daemon("vault", "manifest", "grant", "hello", *key, *words)
    assert granted.code == 0, granted.err
    yield machine
    service.end()


@pytest.fixture(autouse=True)
def honest(request):
    """Whatever a test did to the way to the TPM ends with it."""
    yield
    for name in ("simulated", "enrolled"):
        if name in request.fixturenames:
            request.getfixturevalue(name).behave()


def receipt_of(machine, run):
    path = machine.directory / f"{run.json['run_id']}.receipt"
    exported = machine.daemon("receipt", "export", run.json["run_id"], "--output", str(path))
    assert exported.code == 0, exported.err
    assert CANARY not in path.read_bytes()
    return str(path)


def test_a_software_tpm_opens_a_test_secret_and_the_receipt_says_what_it_is_worth(simulated):
    run = simulated.executed()
    assert run.code == 0, run.json["error"]
    assert run.json["result"] == GREETED
    assert (run.json["assurance"], run.json["insecure"]) == ("none", True)
    verified = simulated.daemon("receipt", "verify", receipt_of(simulated, run), "--json")
    assert verified.code == 0, verified.out
    assert (verified.json["holds"], verified.json["kind"]) == (True, "insecure-swtpm")
    assert (verified.json["assurance"], verified.json["insecure"]) == ("none", True)


def test_a_quote_about_another_challenge_is_refused(simulated):
    simulated.relay.spoil = of_another_challenge
    code, shown = simulated.refusal()
    assert code == BINDING
    assert f"found {b'x'.hex() * 32}" in shown


def test_a_quote_that_was_recorded_before_is_refused(simulated):
    if not simulated.relay.quotes:
        simulated.executed()
    simulated.relay.replay = simulated.relay.quotes[-1]
    code, shown = simulated.refusal()
    assert code == BINDING
    assert "swtpm/5 extraData" in shown


def test_a_register_that_was_extended_is_refused(simulated):
    with simulated.tpm.wire() as wire:
        extend(wire, 16, b"another kernel")
    code, shown = simulated.refusal()
    assert code == MEASUREMENT
    assert "vault-policy.toml:accept.insecure-swtpm" in shown
    simulated.tpm.restart()


def test_another_software_tpm_than_the_certified_one_is_refused(simulated):
    simulated.relay.target = simulated.other.path
    code, shown = simulated.refusal()
    assert code == IDENTITY
    assert "swtpm/2 AK chain" in shown


def test_a_software_tpm_that_was_set_back_is_refused(simulated):
    old = simulated.tpm.saved("old")
    simulated.tpm.restart()
    assert simulated.executed().code == 0
    simulated.tpm.set_back(old)
    code, shown = simulated.refusal()
    assert code == STALE
    assert "insecure-swtpm counters" in shown
    simulated.tpm.restart()  # it has caught up


def test_keys_that_killed_runners_left_in_the_tpm_are_in_nobodys_way(simulated):
    with simulated.tpm.wire() as wire:
        for _ in range(KEYS_LOADED_MAX):
            create_ak(wire)
        with pytest.raises(TpmRefused, match="902"):
            create_ak(wire)
    assert simulated.executed().code == 0


def test_an_enrolled_tpm_opens_a_production_secret_and_its_receipt_is_affirming(enrolled):
    run = enrolled.executed()
    assert run.code == 0, run.json["error"]
    assert run.json["result"] == GREETED
    assert (run.json["assurance"], run.json["insecure"]) == ("vtpm", False)
    assert run.err == ""
    home = enrolled.service.home
    policy = ("--policy", str(home / "vault-policy.toml"), "--policy-key", str(home / "vault-policy.pub"))
    words = ("--vault-key", str(home / "vault.pub"), "--enclave-config", str(home / "enclave-config.cbor"))
    verified = enrolled.daemon("receipt", "verify", receipt_of(enrolled, run), *policy, *words, "--json")
    assert verified.code == 0, verified.out
    assert (verified.json["kind"], verified.json["assurance"]) == ("tpm2", "vtpm")


def test_a_tpm_whose_key_was_not_enrolled_is_refused(enrolled):
    enrolled.relay.target = enrolled.other.path
    code, shown = enrolled.refusal()
    assert code == IDENTITY
    assert "tpm/2 enrolled" in shown


def test_a_tpm_of_an_unlisted_maker_is_vtpm_untrusted_and_refused(enrolled):
    ours = [path.read_bytes() for path in enrolled.chain]
    for path, content in zip(enrolled.chain, enrolled.certified("stranger"), strict=True):
        path.write_bytes(content)
    try:
        code, shown = enrolled.refusal()
    finally:
        for path, content in zip(enrolled.chain, ours, strict=True):
            path.write_bytes(content)
    assert code == IDENTITY
    assert "tpm/3 endorsement" in shown
    assert "wanted one that makes it vtpm" in shown


def test_an_enrolled_tpm_with_another_kernel_is_refused(enrolled):
    with enrolled.tpm.wire() as wire:
        extend(wire, 7, b"another kernel")
    assert enrolled.refusal()[0] == MEASUREMENT
    enrolled.tpm.restart()


def test_a_tpm_does_not_open_a_challenge_to_the_key_of_another_one(enrolled):
    enrolled.show("tpm2", enrolled.other.path, "other-ak")
    ek, maker = enrolled.chain
    challenge = enrolled.directory / "other-c"
    key = ("--ak", enrolled.directory / "other-ak", "--ek", ek, "--maker", maker)
    operator(VAULT, "enrol-tpm", "challenge", challenge, *key)
    for tpm, why in ((enrolled.tpm, "it is for the key"), (enrolled.other, "it is for another TPM")):
        code, out, err = tried(RUNNERS, "tpm", "answer", challenge, "--device", tpm.path)
        assert (code, out) == (1, "")
        assert f"SR-EVID-017 this TPM does not open the challenge {challenge}: {why}" in err
    code, out, err = tried(VAULT, "enrol-tpm", "check", challenge, "00" * 32)
    assert (code, out) == (1, "")
    assert IDENTITY in err
