"""Each example of the reference of commands is run, noun by noun, in an order that makes sense, after what its reader
did before."""

import re
import subprocess

import pytest

from tests.fakes.page_commands import ROOT, meant
from tests.scenarios.test_pages import AGE, CONFIDENTIAL, TIMEOUT_S, TYPED, WAITS, reader

__all__ = ["reader"]

MANIFEST_SIGNED = "tests/cli/test_vault_manifest_sign.py"
ELSEWHERE = {
    "strongroom dev --state-dir ./state": "tests/fakes/live_daemon.py",
    "strongroom demo": "tests/scenarios/test_first_run.py",
    "strongroom serve --state-dir /var/lib/strongroom": "tests/scenarios/test_service.py",
    "strongroom vault serve --config /etc/strongroom/vault.toml": "tests/fakes/vault_service.py",
    "strongroom measure dist --output runner.json --key release.key": "tests/cli/test_measure.py",
    "strongroom receipt verify run.receipt --policy policy.toml": "tests/cli/test_receipt_verify.py",
    "strongroom attest verify report.bin --policy policy.toml": "tests/cli/test_attest.py",
    "strongroom attest explain report.bin --policy policy.toml": "tests/cli/test_attest.py",
    "strongroom policy test policy.toml --key policy.key.pub --evidence samples": "tests/cli/test_policy.py",
    "strongroom vault manifest sign grants.toml --owner-key owner.key --output m.cbor": MANIFEST_SIGNED,
    "strongroom vault manifest put m.cbor --yes": "tests/cli/test_vault_manifest_put.py",
    "strongroom vault manifest grant hello --owner-key owner.key": "tests/cli/test_vault_manifest.py",
    "strongroom vault manifest revoke WORKFLOW_ID --owner-key owner.key": "tests/cli/test_vault_manifest.py",
    "strongroom keys seal-tpm --out /etc/strongroom/keyring.tpm --pcrs 7": "tests/engine/test_key_source.py",
    "strongroom workspace sign-in --grant @grant.json": "tests/scenarios/test_workspace_session.py",
    "strongroom workspace sign-out --yes": "tests/scenarios/test_workspace_session.py",
    "strongroom plugin pin vault kvstore --file plugins.yaml": "tests/cli/test_plugin_pin.py",
    "strongroom run retry wrun_01JD3Z8Q4M6Y1T9W2V5X7B0C8D --from 7": "tests/scenarios/test_run_verbs.py",
    "strongroom workflow push hello.wasm oci://registry.example/team/hello:1.0.0": "tests/cli/test_workflow_oci.py",
    "strongroom workflow pull oci://registry.example/team/hello:1.0.0 hello.wasm": "tests/fakes/oci_registry.py",
    "sudo strongroom service install": "tests/service",
    "sudo strongroom service uninstall": "tests/service",
}
"""Examples that need what no reader has at hand, or go on until they are ended, and where such a command is run."""
FOLLOWED = frozenset({"workspace watch notes", "audit tail -n 50 --follow"})
"""They go on until they are interrupted, and have said something by then."""
ORDER = {
    "this host": [
        "status",
        "version",
        "top --interval 5",
        "doctor --bundle strongroom-doctor.tar.gz",
        "reload",
        "completion bash",
    ],
    "config": ["config validate --mode serve", "config show --effective --origins"],
    "workflow": [
        "$ cp examples/hello/hello.wasm examples/prices/prices.wasm examples/prices/mocks.yaml .",
        "$ echo '{}' > attributes.json",
        "$ (umask 77; echo PRICES_KEY=k3y > secrets.env)",
        "workflow register hello.wasm --name hello",
        "workflow validate hello.wasm --attributes @attributes.json",
        "workflow list --json",
        "workflow get hello",
        "workflow hash hello.wasm --name hello",
        "workflow pause hello",
        "workflow activate hello",
        'run start hello --payload \'{"who": "x"}\'',
        'run execute hello --payload \'{"who": "x"}\' --json',
        "run new-id",
        "run list --status failed --limit 10",
        "workflow delete hello --drain --yes",
        'workflow simulate prices.wasm --payload \'{"pair": "ETH-USD"}\' --mock mocks.yaml --env secrets.env',
        "workflow limits export --output limits.yaml",
    ],
    "run": [
        f"$ {WAITS}approval; echo x > page.html",
        "run stream-write RUN in @page.html --close",
        "$ strongroom run stream-write $RUN out text --close",
        "run streams RUN",
        'run stream RUN out --follow --decrypt --reason "a look"',
        "hook list RUN",
        "hook get order-4711",
        "hook resume order-4711 '{\"paid\": true}'",
        "run events RUN --follow",
        'run logs RUN --follow --decrypt --reason "wrong total"',
        "run get RUN",
        "run replay RUN",
        "run export RUN --output run.jsonl",
        "$ approval",
        "hook dispose order-4711",
        "$ approval",
        'run cancel RUN --reason "wrong input"',
        "$ approval",
        "run kill RUN --yes",
    ],
    "receipt": [f"$ {CONFIDENTIAL}", "receipt export RUN --output run.receipt"],
    "policy": [
        "$ cp examples/policies/production.toml policy.toml; cp policy.toml next.toml",
        "policy new-key policy.key",
        "policy sign policy.toml --key policy.key",
        "policy diff policy.toml next.toml",
    ],
    "capability": [
        "capability list",
        "capability call basic-test-action@1.0.0 PerformAction --payload '{\"inputThing\": true}'",
    ],
    "secret": [
        "$ VALUE=s3cret",
        "secret set API_KEY",
        "secret list",
        "secret check API_KEY",
        "secret delete API_KEY --yes",
        "vault identity",
        "vault owner-key owner.key",
        "vault manifest show --json",
    ],
    "keys": [
        f"$ {AGE} age-keygen -o me.txt",
        "$ STATE=$STRONGROOM_STATE_DIR; STRONGROOM_STATE_DIR=$PWD/new; rm -f $HOME/etc/strongroom/keyring",
        "keys init --key-file /etc/strongroom/keyring",
        "keys add --key-file /etc/strongroom/keyring",
        "$ STRONGROOM_STATE_DIR=$STATE",
        "$ strongroom keys add >/dev/null",
        "keys status",
        "keys promote 2",
        "keys rewrap --wait",
        "keys export-recovery --recipient-file people.txt --out keyring.age",
        "keys verify-recovery keyring.age --identity-file me.txt",
        "$ cp $STRONGROOM_STATE_DIR/keyring $HOME/etc/strongroom/keyring",
        "keys retire 1 --key-file /etc/strongroom/keyring --yes",
    ],
    "callers": [
        "callers token ci --role read --role run > ci.token",
        "$ (umask 77; echo 'callers: []' > $HOME/etc/strongroom/callers.yaml)",
        "callers check --callers-file /etc/strongroom/callers.yaml",
    ],
    "workspace": [
        f"$ mkdir -p project; {TYPED}",
        "workspace mount ./project --name notes",
        "workspace set notes greeting '\"hello\"'",
        "workspace get notes greeting",
        "workspace entries notes:tasks",
        "workspace list",
        "workspace watch notes",
        "workspace verify notes",
        "workspace compact notes",
        "workspace migrate notes --dry-run",
        "workspace discard notes --dry-run",
        "workspace export notes notes.sealed",
        "workspace import notes notes.sealed",
        "workspace delete notes greeting --yes",
        "workspace session",
        "workspace token --tokens-file /etc/strongroom/relay-tokens --owner-id alice",
        "workspace unmount notes",
        "workspace wipe ./project --owner-id alice --dry-run",
        "$ rm -rf project; mkdir project; strongroom workspace mount ./project --name notes --password",
        "workspace unlock notes",
        "workspace lock notes",
        "$ strongroom workspace unlock notes",
        "workspace change-password notes",
        "$ strongroom workspace unmount notes",
    ],
    "backup": [
        "$ mkdir -p backups; cp $STRONGROOM_STATE_DIR/keyring keyring",
        "backup create /backups/monday.tar",
        "backup verify /backups/monday.tar --key-file keyring",
        "db check --state-dir /var/lib/strongroom --key-file keyring",
        "$ STATE=$STRONGROOM_STATE_DIR; STRONGROOM_STATE_DIR=$PWD/restored",
        "$ export STRONGROOM_KEYRING_FILE=$PWD/keyring",
        "backup restore /backups/monday.tar --state-dir /var/lib/strongroom --yes",
        "db migrate --dry-run --state-dir /var/lib/strongroom",
        "$ STRONGROOM_STATE_DIR=$STATE",
    ],
    "audit": ["audit tail -n 50 --follow", "audit verify"],
    "plugin": [
        "$ cp -L plugins.yaml own.yaml; mv own.yaml plugins.yaml",
        "plugin new price-feed --kind action",
        "plugin list",
        "plugin check plugins.yaml",
        "plugin enable vault --file plugins.yaml",
        "plugin disable basic-test --file plugins.yaml",
        "plugin reload vault",
    ],
}
"""Examples without their first word, with RUN for a run's id; what begins with $ was done before."""


def examples():
    """The examples of the generated part, each in one line, as ``ORDER`` has them."""
    generated = (ROOT / "docs" / "cli.md").read_text().split("## Commands")[1]
    for block in re.findall(r"^```sh\n(.*?)^```$", generated, re.MULTILINE | re.DOTALL):
        yield block.strip()


def short(example):
    words = example.removeprefix('printf %s "$VALUE" | ').removeprefix("strongroom ")
    return re.sub(r"wrun_[0-9A-Z]+", "RUN", words)


def test_each_example_is_run_here_or_where_it_is_said():
    here = {line for lines in ORDER.values() for line in lines if not line.startswith("$ ")}
    found = {short(example): example for example in examples()}
    assert len(found) > 90
    missing = {example for words, example in found.items() if words not in here and example not in ELSEWHERE}
    assert missing == set()
    assert here - found.keys() == set(), "these are no examples any more"
    assert set(ELSEWHERE) - set(found.values()) == set(), "nor are these"
    for example, place in ELSEWHERE.items():
        assert f'"{verb(example)}"' in source(ROOT / place), f"{place} does not run {example}"


def verb(example):
    """The last of the words of the command itself."""
    words = example.removeprefix("sudo ").split()[1:]
    return [
        word for word in words[:3] if re.fullmatch(r"[a-z][a-z-]*", word) and word not in {"dist", "hello", "vault"}
    ][-1]


def source(place):
    files = place.rglob("*.py") if place.is_dir() else [place]
    return "\n".join(file.read_text() for file in files)


@pytest.mark.parametrize("noun", ORDER)
def test_the_examples_of_a_noun_do_what_they_say(reader, noun, tmp_path):
    clone, environment = reader
    real = {short(example): example for example in examples()}
    lines = ["set -eo pipefail"]
    for line in ORDER[noun]:
        if line.startswith("$ "):
            lines.append(line.removeprefix("$ "))
            continue
        command = meant(real[line])
        lines.append(f"echo {line.split(chr(39))[0]!r} >&2")
        if line in FOLLOWED:
            command = f"{{ timeout 2 {command} || test $? -eq 124; }}"
        lines.append(command)
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],  # noqa: S607 - the shell that a reader has
        cwd=workplace(clone, tmp_path),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-2500:]}"


def workplace(clone, directory):
    """An empty directory with what a clone has."""
    for each in clone.iterdir():
        if each.is_symlink():
            (directory / each.name).symlink_to(each.resolve())
    return directory
