"""``strongroom plugin pin``: what is installed is written into the manifest, and nothing else changes there."""

import hashlib
import os

import pytest

from strongroom.settings.manifest import load_manifest
from tests.fakes.installed_plugin import InstalledPlugin
from tests.fakes.terminal import strongroom


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    installed = InstalledPlugin(tmp_path / "site")
    yield installed
    installed.forget()


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.sh"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return path


@pytest.fixture
def manifest(tmp_path, plugin, program):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"""\
# what we load
version: 1
plugins:
  - name: one  # the first
    # a comment that stays
    factory: {plugin.package}.plugin:Plugin
  - command: [{program}]
    name: two
    pin: {{command_sha256: "{"0" * 64}"}}  # as it was delivered
  - {{name: three, command: [python, -m, {plugin.package}]}}
  - name: four
    command: [python, {program}]
    enabled: false
"""
    )
    return path


def pins(manifest):
    return {entry.name: entry.pin for entry in load_manifest(manifest)}


def test_a_pin_is_added_behind_the_name_and_nothing_else_changes(manifest, plugin):
    before = manifest.read_text()
    ended = strongroom("plugin", "pin", "one", "--file", str(manifest))
    pin = plugin.pin()
    assert (ended.code, pins(manifest)["one"]) == (0, pin)
    added = (
        f'    pin:\n      distribution: "{pin.distribution}"\n      version: "1.2"\n'
        f'      record_sha256: "{pin.record_sha256}"\n'
    )
    assert manifest.read_text() == before.replace("# the first\n", f"# the first\n{added}")
    assert ended.out.splitlines()[1].split() == ["one", "none", pin.distribution, "1.2", pin.record_sha256[:12] + "…"]
    assert "strongroom reload" in ended.err


def test_an_old_pin_gets_new_values_in_its_place_and_old_and_new_are_shown(manifest, program):
    before = manifest.read_text()
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    ended = strongroom("plugin", "pin", "two", "--file", str(manifest), "--json")
    (shown,) = ended.document["plugins"]
    assert (shown["was"], shown["now"]) == ({"command_sha256": "0" * 64}, {"command_sha256": digest})
    assert manifest.read_text() == before.replace("0" * 64, digest)
    assert "does not cover the interpreter" in shown["remark"]
    again = strongroom("plugin", "pin", "two", "--file", str(manifest), "--json")
    assert [p["changed"] for p in again.document["plugins"]] == [False]


def test_a_new_version_replaces_a_pin_of_several_lines(manifest, plugin):
    strongroom("plugin", "pin", "one", "--file", str(manifest))
    old = plugin.pin()
    plugin.path("inner/words.py").write_text("WORD = 'new'\n")
    plugin.record()
    before = manifest.read_text()
    assert strongroom("plugin", "pin", "one", "--file", str(manifest)).code == 0
    assert manifest.read_text() == before.replace(old.record_sha256, plugin.pin().record_sha256)


def test_all_pins_what_it_can_and_says_what_it_cannot(manifest, plugin):
    text = manifest.read_text()
    manifest.write_text(text.replace(f"  - {{name: three, command: [python, -m, {plugin.package}]}}\n", ""))
    ended = strongroom("plugin", "pin", "--all", "--file", str(manifest), "--json")
    problems = {p["name"]: p["problem"] for p in ended.document["plugins"]}
    assert (problems["one"], problems["two"]) == ("", "")
    assert problems["four"].startswith("a distribution can be pinned for `factory`")
    assert ended.code == 0, "the one that cannot be pinned is disabled"
    assert [pins(manifest)[name] is not None for name in ("one", "two", "four")] == [True, True, False]


def test_where_pins_are_required_each_check_finds_the_one_without_until_it_is_pinned(manifest):
    manifest.write_text(manifest.read_text().replace("version: 1\n", "version: 1\npins: required\n"))
    checks = [("pin", "one", "--check", "--file", str(manifest)), ("check", str(manifest))]
    before = [strongroom("plugin", *words, "--json").document["plugins"][0] for words in checks]
    assert ["it has no pin" in each["problem"] for each in before] == [True, True]
    assert (before[0]["was"], before[1]["pinned"]) == (None, False)
    assert strongroom("plugin", "pin", "one", "--file", str(manifest)).code == 0
    after = [strongroom("plugin", *words, "--json").document["plugins"][0] for words in checks]
    assert [each["problem"] for each in after] == ["", ""]
    assert after[1]["pinned"]


def test_a_layout_that_cannot_be_edited_safely_is_left_as_it_is(manifest):
    before = manifest.read_text()
    ended = strongroom("plugin", "pin", "three", "--file", str(manifest), "--json")
    assert (ended.code, manifest.read_text()) == (1, before)
    assert "its layout is not one that can be edited safely" in ended.document["plugins"][0]["problem"]


def test_a_rehearsal_and_a_check_write_nothing(manifest):
    before = manifest.read_text()
    ended = strongroom("plugin", "pin", "one", "--file", str(manifest), "--dry-run", "--json")
    assert (ended.code, ended.document["plugins"][0]["changed"], manifest.read_text()) == (0, True, before)
    ended = strongroom("plugin", "pin", "one", "--check", "--file", str(manifest), "--json")
    assert (ended.code, ended.document["plugins"][0]["remark"], manifest.read_text()) == (0, "it has no pin", before)


@pytest.mark.parametrize("command", [["pin", "--check", "--all", "--file"], ["check"]], ids=["pin --check", "check"])
def test_a_pin_that_does_not_hold_is_found_without_a_host(manifest, plugin, command):
    strongroom("plugin", "pin", "--all", "--file", str(manifest))
    strongroom("plugin", "pin", "one", "two", "--file", str(manifest))
    assert strongroom("plugin", *command, str(manifest)).code == 0
    plugin.path("inner/words.py").write_text("WORD = 'evil'\n")
    ended = strongroom("plugin", *command, str(manifest), "--json")
    problems = {p["name"]: p["problem"] for p in ended.document["plugins"]}
    assert (ended.code, ended.document["ok"], problems["two"]) == (1, False, "")
    assert "words.py was changed after" in problems["one"]


def test_what_differs_from_its_own_record_is_not_pinned(manifest, plugin):
    before = manifest.read_text()
    plugin.path("inner/words.py").write_text("WORD = 'evil'\n")
    ended = strongroom("plugin", "pin", "one", "--file", str(manifest), "--json")
    assert (ended.code, manifest.read_text()) == (1, before)
    assert "was changed after" in ended.document["plugins"][0]["problem"]


def test_an_editable_installation_and_a_missing_one_say_so(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "version: 1\nplugins:\n"
        "  - name: a\n    factory: strongroom_kvstore.plugin:KvStorePlugin\n"
        "  - name: b\n    factory: not_there_at_all:Plugin\n"
        "  - name: c\n    command: [/no/such/program]\n"
    )
    ended = strongroom("plugin", "pin", "--all", "--file", str(path), "--json")
    first, second, third = (p["problem"] for p in ended.document["plugins"])
    assert ended.code == 1
    assert "strongroom_kvstore cannot be pinned: it is installed as editable" in first
    assert second.startswith("no installed distribution has the module not_there_at_all")
    assert third.startswith("/no/such/program cannot be started")


@pytest.mark.parametrize("words", [[], ["one", "--all"]], ids=["nothing", "both"])
def test_what_to_pin_is_said_clearly(manifest, words):
    ended = strongroom("plugin", "pin", *words, "--file", str(manifest), "--json")
    assert (ended.code, ended.error["code"]) == (2, "SR-PIN-030")


def test_an_unknown_name_changes_nothing(manifest):
    before = manifest.read_text()
    ended = strongroom("plugin", "pin", "one", "ten", "--file", str(manifest), "--json")
    assert (ended.code, ended.error["code"], manifest.read_text()) == (65, "SR-CLI-040", before)


def test_the_manifest_that_ships_is_not_edited_unless_it_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "XDG_CONFIG_HOME", str(tmp_path))
    ended = strongroom("plugin", "pin", "kvstore", "--json")
    assert (ended.code, ended.error["code"]) == (78, "SR-CLI-043")
