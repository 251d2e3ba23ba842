"""``strongroom service``: every file in its place, once; what an operator changed stays; keys are made by nobody."""

import os
import stat
import sys
from pathlib import Path

import pytest

from strongroom.cli import service, service_programs
from strongroom.cli.service_files import UNITS
from strongroom.settings.layers import load
from strongroom.settings.manifest import load_manifest
from strongroom.settings.model import packaged_manifest
from tests.fakes.terminal import strongroom

LIB, ETC, SYSTEM = "usr/lib/strongroom", "etc/strongroom", "usr/lib/systemd/system"


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "root"
    made.mkdir()
    return made


def install(root, *more):
    return strongroom("service", "install", "--root", str(root), "--yes", *more)


def uninstall(root, *more):
    return strongroom("service", "uninstall", "--root", str(root), "--yes", *more)


def tree(root):
    """Every file below it with its content and mode."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in root.rglob("*")
        if path.is_file()
    }


def test_every_file_is_in_its_place_and_each_is_printed(root):
    before = os.umask(0o077)
    try:
        done = install(root)
    finally:
        os.umask(before)
    assert done.code == 0, done.err
    found = tree(root)
    assert {f"{SYSTEM}/{unit}" for unit in UNITS} <= found.keys()
    assert {f"{ETC}/strongroom.yaml", f"{ETC}/plugins.yaml", f"{LIB}/strongroom.yaml"} <= found.keys()
    assert {mode for _, mode in found.values()} == {0o644}, "the service is another user, whatever the umask"
    assert stat.S_IMODE((root / ETC).stat().st_mode) == 0o755
    assert stat.S_IMODE((root / ETC / "credentials").stat().st_mode) == 0o700
    assert [name for name in found if str(root / name) not in done.out] == []
    assert f"ExecStart={Path(sys.executable).parent}/strongroomd".encode() in found[f"{SYSTEM}/strongroom.service"][0]
    assert b"@" not in found[f"{SYSTEM}/strongroom.service"][0].split(b"ExecStart=")[1].split(b"\n")[0]


def test_no_keys_are_made_and_the_commands_that_make_them_are_shown(root):
    done = install(root)
    assert list((root / ETC / "credentials").iterdir()) == []
    assert "strongroom keys init --key-file /run/strongroom-keyring" in done.err
    assert "systemd-creds encrypt --name=keyring --with-key=host+tpm2" in done.err
    (root / ETC / "credentials" / "keyring.cred").write_text("sealed")
    assert "keys init" not in install(root).err


def test_a_second_time_changes_nothing_and_needs_no_agreement(root):
    install(root)
    before = tree(root)
    done = strongroom("service", "install", "--root", str(root), "--json")
    assert done.code == 0, done.err
    assert {step["deed"] for step in done.document["steps"]} == {"unchanged"}
    assert (done.document["schema"], done.document["commands"], tree(root)) == ("strongroom.service/v1", [], before)


def test_a_dry_run_shows_it_and_changes_nothing(root):
    done = strongroom("service", "install", "--root", str(root), "--dry-run")
    assert (done.code, tree(root)) == (0, {})
    assert f"write     {root}/{SYSTEM}/strongroom.service" in done.out
    install(root)
    assert strongroom("service", "uninstall", "--root", str(root), "--dry-run").code == 0
    assert tree(root)


@pytest.mark.parametrize("verb", ["install", "uninstall"])
def test_what_changes_files_needs_agreement(root, verb):
    if verb == "uninstall":
        install(root)
    before = tree(root)
    refused = strongroom("service", verb, "--root", str(root), "--json")
    assert (refused.code, refused.error["code"], tree(root)) == (2, "SR-CLI-002", before)


def test_an_upgrade_replaces_what_is_ours_and_what_nobody_changed_and_keeps_what_somebody_did(root):
    install(root)
    (root / SYSTEM / "strongroom.service").write_text("of an older release")
    for name in (f"{LIB}/plugins.yaml", f"{ETC}/plugins.yaml"):
        (root / name).write_text("as an older release shipped it")
    (root / ETC / "strongroom.yaml").write_text("log: {level: debug}\n")
    done = install(root, "--json")
    deeds = {step["path"].removeprefix(f"{root}/"): step["deed"] for step in done.document["steps"]}
    assert deeds[f"{SYSTEM}/strongroom.service"] == deeds[f"{ETC}/plugins.yaml"] == "replace"
    assert deeds[f"{ETC}/strongroom.yaml"] == "keep"
    assert (root / ETC / "strongroom.yaml").read_text() == "log: {level: debug}\n"
    assert (root / ETC / "plugins.yaml").read_bytes() == (root / LIB / "plugins.yaml").read_bytes()


def test_uninstalling_leaves_state_keys_and_what_was_changed_and_says_so(root):
    install(root)
    (root / ETC / "plugins.yaml").write_text("mine")
    (root / ETC / "credentials" / "keyring.cred").write_text("sealed")
    (root / "var/lib/strongroom").mkdir(parents=True)
    (root / "var/lib/strongroom/strongroom.db").write_text("state")
    done = uninstall(root)
    assert done.code == 0, done.err
    left = [f"{ETC}/credentials/keyring.cred", f"{ETC}/plugins.yaml", "var/lib/strongroom/strongroom.db"]
    assert sorted(tree(root)) == left
    assert not (root / LIB).exists()
    assert "this stays: /var/lib/strongroom" in done.err
    assert f"keep      {root}/{ETC}/plugins.yaml" in done.out


@pytest.mark.parametrize("place", [f"{ETC}/strongroom.yaml", "usr/lib"], ids=["the file", "on the way"])
def test_nothing_is_written_through_a_link_that_leads_out_of_the_root(root, tmp_path, place):
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / place).parent.mkdir(parents=True)
    (root / place).symlink_to(outside / "victim" if place.endswith("yaml") else outside)
    refused = install(root, "--json")
    assert (refused.code, refused.error["code"]) == (73, "SR-SVC-006")
    assert list(outside.iterdir()) == []


def test_a_place_that_takes_no_file_is_named(root):
    (root / "usr").write_text("")
    refused = install(root, "--json")
    assert (refused.code, refused.error["code"]) == (73, "SR-SVC-005")
    assert str(root / "usr") in refused.error["what"]


def test_a_root_that_is_no_directory_is_refused(root):
    refused = install(root / "missing", "--json")
    assert (refused.code, refused.error["code"]) == (2, "SR-SVC-008")


def test_only_root_installs_on_the_machine(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for verb in ("install", "uninstall"):
        refused = strongroom("service", verb, "--yes", "--json")
        assert (refused.code, refused.error["code"]) == (77, "SR-SVC-004")


@pytest.fixture
def programs(monkeypatch, tmp_path):
    """The programs in a directory of that name, which is then that of the running one."""

    def put(folder, *names):
        folder = tmp_path / folder
        folder.mkdir(parents=True)
        for name in names or service_programs.PROGRAMS:
            (folder / name).write_text("")
        monkeypatch.setattr(sys, "executable", str(folder / "python"))
        return folder

    return put


@pytest.mark.parametrize("sign", [" ", '"', "%", "$", "\\", ";", "é", "\n", "'"])
def test_a_path_that_a_unit_would_read_as_something_else_is_refused(programs, root, sign):
    programs(f"with{sign}sign")
    refused = install(root, "--json")
    assert (refused.code, refused.error["code"]) == (78, "SR-SVC-002")
    assert tree(root) == {}


def test_a_path_that_is_too_long_is_refused(programs, root):
    programs("/".join(["x" * 200] * 6))
    assert install(root, "--json").error["code"] == "SR-SVC-002"


def test_a_program_that_is_missing_is_named(programs, root):
    programs("bin", "strongroom", "strongroomd")
    refused = install(root, "--json")
    assert (refused.code, refused.error["code"]) == (78, "SR-SVC-001")
    assert "strongroom-runner" in refused.error["what"]


def test_programs_inside_the_root_are_named_as_they_will_be_there(programs, root, tmp_path):
    programs("root/opt/strongroom/bin")
    assert install(root).code == 0
    unit = (root / SYSTEM / "strongroom.service").read_text()
    assert "\nExecStart=/opt/strongroom/bin/strongroomd\n" in unit


@pytest.mark.parametrize("hidden", service_programs.HIDDEN)
def test_programs_that_the_units_cannot_see_are_refused_on_this_machine(monkeypatch, programs, hidden):
    folder = programs("bin")
    monkeypatch.setattr(service_programs, "HIDDEN", (str(folder.parent),))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(service, "SYSTEMD_RUNS", folder / "none")
    refused = strongroom("service", "install", "--dry-run", "--json")
    assert (refused.code, refused.error["code"]) == (78, "SR-SVC-003")
    assert hidden in ("/home", "/root", "/run/user", "/tmp", "/var/tmp")


class Machine:
    """A machine on which systemd runs; ``ran`` are its commands, and one that ``fails`` does."""

    def __init__(self, folder, monkeypatch):
        self.log, self.bin = folder / "ran", folder / "bin"
        self.bin.mkdir()
        for name in ("systemctl", "systemd-sysusers", "systemd-tmpfiles"):
            self.put(name, 0)
        (folder / "running").mkdir()
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setattr(service, "SYSTEMD_RUNS", folder / "running")
        monkeypatch.setattr(service, "_base", lambda root, needs_root: folder / "root")
        monkeypatch.setattr(service_programs, "HIDDEN", ())
        (folder / "root").mkdir()

    def put(self, name, code):
        path = self.bin / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.log}\necho "not today" >&2\nexit {code}\n')
        path.chmod(0o755)

    @property
    def ran(self):
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_on_a_machine_groups_are_made_and_the_manager_reads_the_units(machine):
    done = strongroom("service", "install", "--yes")
    assert done.code == 0, done.err
    assert machine.ran == [
        "systemd-sysusers /usr/lib/sysusers.d/strongroom.conf",
        "systemd-tmpfiles --create /usr/lib/tmpfiles.d/strongroom.conf",
        "systemctl daemon-reload",
    ]
    assert "run       systemctl daemon-reload" in done.out
    done = strongroom("service", "uninstall", "--yes")
    assert machine.ran[3:] == [f"systemctl disable --now {' '.join(UNITS)}", "systemctl daemon-reload"]


def test_a_command_that_fails_is_said_with_its_own_words(machine):
    machine.put("systemd-sysusers", 1)
    refused = strongroom("service", "install", "--yes", "--json")
    assert (refused.code, refused.error["code"], refused.error["why"]) == (69, "SR-SVC-007", "not today")


def test_a_machine_without_systemd_has_the_files_and_no_command_is_run(machine, monkeypatch):
    for path in machine.bin.iterdir():
        path.unlink()
    assert strongroom("service", "install", "--yes").code == 0
    assert machine.ran == []


def test_the_defaults_of_the_service_are_settings_and_come_after_those_of_the_operator(root):
    install(root)
    (root / ETC / "plugins.yaml").unlink()
    environ = {"CONFIGURATION_DIRECTORY": str(root / ETC), "STRONGROOM_VENDOR_DIR": str(root / LIB)}
    loaded = load("serve", {}, root, environ)
    assert str(loaded.settings.runners.pool_socket) == "/run/strongroom-runner/pool.sock"
    assert loaded.origins["runners.pool_socket"].layer == "vendor"
    assert loaded.settings.plugins_file == root / LIB / "plugins.yaml"
    assert load("dev", {}, root, {**environ, "HOME": str(root)}).settings.runners.pool_socket is None
    (root / ETC / "strongroom.yaml").write_text("runners: {pool_socket: /run/mine.sock}\n")
    assert str(load("serve", {}, root, environ).settings.runners.pool_socket) == "/run/mine.sock"


def test_the_manifest_of_the_service_has_the_plugins_of_the_packaged_one_and_starts_no_more_than_it_needs(root):
    install(root)
    service_entries = {entry.name: entry for entry in load_manifest(root / ETC / "plugins.yaml")}
    packaged = {entry.name: entry for entry in load_manifest(packaged_manifest())}
    assert service_entries.keys() == packaged.keys()
    for name, entry in service_entries.items():
        assert (entry.command, entry.factory, entry.provides) == (
            packaged[name].command,
            packaged[name].factory,
            packaged[name].provides,
        )
        assert entry.config.keys() <= packaged[name].config.keys()
    disabled = {name for name, entry in service_entries.items() if not entry.enabled}
    assert disabled == {"basic-test", "http-actions", "http-trigger"}
