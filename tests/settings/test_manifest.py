"""The manifest is read strictly: what is misspelt is refused, and never means less."""

import pytest

from strongroom.errors import Misconfigured
from strongroom.settings.manifest import PLUGINS_MAX, Pin, load_manifest
from strongroom.settings.model import packaged_manifest
from tools.build_wheels import PLUGINS

HASH = "a" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plugins.yaml"


def test_an_entry_has_its_defaults(path):
    path.write_text("version: 1\nplugins:\n  - {name: a, factory: pkg.mod:Class}\n")
    (entry,) = load_manifest(path)
    assert (entry.enabled, entry.required, entry.factory, entry.command) == (True, False, "pkg.mod:Class", None)
    assert (entry.config, entry.provides, entry.dialect, entry.at_most_once, entry.pin) == ({}, (), None, (), None)
    assert entry.where == f"{path}:plugins[0]"


def test_an_entry_has_all_it_says(path):
    path.write_text(f"""\
version: 1
plugins:
  - name: a
    enabled: false
    required: true
    command: [python, -m, x]
    config: {{deep: [1, {{a: b}}]}}
    provides: ["a@1.0.0", "b:k_v@1.0.0-alpha+x"]
    dialect: older
    at_most_once: ["a@1.0.0"]
    pin: {{command_sha256: "{HASH}"}}
""")
    (entry,) = load_manifest(path)
    assert (entry.enabled, entry.required, entry.command) == (False, True, ("python", "-m", "x"))
    assert entry.config == {"deep": [1, {"a": "b"}]}
    assert entry.provides == ("a@1.0.0", "b:k_v@1.0.0-alpha+x")
    assert (entry.dialect, entry.at_most_once, entry.pin) == ("older", ("a@1.0.0",), Pin(command_sha256=HASH))


def test_the_one_that_ships_is_valid_and_names_all_first_party_plugins():
    names = {entry.name: entry for entry in load_manifest(packaged_manifest())}
    assert names.keys() == set(PLUGINS)
    assert all(entry.provides for entry in names.values())
    assert {name for name, entry in names.items() if not entry.enabled} == {"http-trigger"}, "it opens a port"


def test_the_one_that_ships_says_when_pins_are_checked():
    (line,) = (each for each in packaged_manifest().read_text().splitlines() if each.startswith("#   pin "))
    assert "before any of it runs" in line


REFUSED = {
    "no-version": ("plugins: []", "version"),
    "other-version": ("version: 2\nplugins: []", "version"),
    "version-as-text": ('version: "1"\nplugins: []', "version"),
    "version-as-truth": ("version: true\nplugins: []", "version"),
    "no-plugins": ("version: 1", "plugins"),
    "plugins-as-mapping": ("version: 1\nplugins: {a: 1}", "plugins"),
    "unknown-at-the-top": ("version: 1\nplugins: []\ndefaults: {}", "defaults"),
    "pins-as-truth": ("version: 1\npins: true\nplugins: []", "pins"),
    "pins-misspelt": ("version: 1\npins: require\nplugins: []", "pins"),
    "pins-as-null": ("version: 1\npins:\nplugins: []", "pins"),
    "text-for-entry": ("version: 1\nplugins: [a]", "plugins[0]"),
}


@pytest.mark.parametrize(("text", "dotted"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_file_is_refused_with_its_place(path, text, dotted):
    path.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        load_manifest(path)
    assert refused.value.details["where"] == f"{path}:{dotted}"


@pytest.mark.parametrize("end", ["", "    pin:\n", "    pin: null\n"], ids=["cut off before it", "cut off", "null"])
def test_where_pins_are_required_an_entry_without_one_has_a_pin_that_nothing_fits(path, end):
    pinned = f'  - {{name: a, command: [x], pin: {{command_sha256: "{HASH}"}}}}\n'
    path.write_text(f"version: 1\npins: required\nplugins:\n{pinned}  - name: b\n    command: [x]\n{end}")
    first, second = load_manifest(path)
    assert (first.pin, second.pin) == (Pin(command_sha256=HASH), Pin())
    assert first.pin
    assert not second.pin


ENTRIES = {
    "no-name": ("factory: a:B", "plugins[0].name"),
    "null-name": ("name: null, factory: a:B", "plugins[0].name"),
    "upper-case-name": ("name: Aa, factory: a:B", "plugins[0].name"),
    "path-as-name": ("name: ../a, factory: a:B", "plugins[0].name"),
    "long-name": (f"name: {'a' * 65}, factory: a:B", "plugins[0].name"),
    "number-as-name": ("name: 5, factory: a:B", "plugins[0].name"),
    "neither": ("name: a", "plugins[0]"),
    "both": ("name: a, factory: a:B, command: [x]", "plugins[0]"),
    "unknown-key": ("name: a, factory: a:B, requried: true", "plugins[0].requried"),
    "text-for-truth": ('name: a, factory: a:B, enabled: "no"', "plugins[0].enabled"),
    "number-for-truth": ("name: a, factory: a:B, required: 1", "plugins[0].required"),
    "factory-without-class": ("name: a, factory: a.b", "plugins[0].factory"),
    "factory-with-call": ('name: a, factory: "a:B()"', "plugins[0].factory"),
    "command-as-text": ("name: a, command: sh -c x", "plugins[0].command"),
    "empty-command": ("name: a, command: []", "plugins[0].command"),
    "number-in-command": ("name: a, command: [sh, 1]", "plugins[0].command[1]"),
    "nul-in-command": ('name: a, command: [sh, "a\\0"]', "plugins[0].command[1]"),
    "config-as-list": ("name: a, factory: a:B, config: [1]", "plugins[0].config"),
    "id-without-version": ("name: a, factory: a:B, provides: [x]", "plugins[0].provides[0]"),
    "id-with-two-signs": ('name: a, factory: a:B, provides: ["a@b@1.0.0"]', "plugins[0].provides[0]"),
    "id-with-zeros": ('name: a, factory: a:B, provides: ["a@01.0.0"]', "plugins[0].provides[0]"),
    "id-too-long": (f'name: a, factory: a:B, provides: ["{"a" * 123}@1.0.0"]', "plugins[0].provides[0]"),
    "id-twice": ('name: a, factory: a:B, provides: ["a@1.0.0", "a@1.0.0"]', "plugins[0].provides[1]"),
    "at-most-once-no-id": ("name: a, factory: a:B, at_most_once: [x]", "plugins[0].at_most_once[0]"),
    "dialect-as-list": ("name: a, factory: a:B, dialect: [x]", "plugins[0].dialect"),
    "pin-as-text": ("name: a, factory: a:B, pin: x", "plugins[0].pin"),
    "empty-pin": ("name: a, factory: a:B, pin: {}", "plugins[0].pin"),
    "half-a-pin": ("name: a, factory: a:B, pin: {distribution: x}", "plugins[0].pin"),
    "pin-of-two-things": (
        f'name: a, command: [x], pin: {{command_sha256: "{HASH}", distribution: x}}',
        "plugins[0].pin",
    ),
    "unknown-in-pin": ("name: a, factory: a:B, pin: {sha256: x}", "plugins[0].pin.sha256"),
    "short-hash": ("name: a, command: [x], pin: {command_sha256: ab}", "plugins[0].pin.command_sha256"),
    "pin-of-no-command": (f'name: a, factory: a:B, pin: {{command_sha256: "{HASH}"}}', "plugins[0].pin.command_sha256"),
}


@pytest.mark.parametrize(("entry", "dotted"), ENTRIES.values(), ids=ENTRIES)
def test_a_wrong_entry_is_refused_with_its_place(path, entry, dotted):
    path.write_text(f"version: 1\nplugins:\n  - {{{entry}}}\n")
    with pytest.raises(Misconfigured) as refused:
        load_manifest(path)
    assert refused.value.details["where"] == f"{path}:{dotted}"


def test_an_id_of_128_characters_is_the_longest(path):
    path.write_text(f'version: 1\nplugins: [{{name: a, factory: "a:B", provides: ["{"a" * 122}@1.0.0"]}}]')
    assert len(load_manifest(path)[0].provides[0]) == 128


def test_the_nearest_known_key_is_offered(path):
    path.write_text("version: 1\nplugins:\n  - {name: a, factory: a:B, requried: true}\n")
    with pytest.raises(Misconfigured, match="did you mean required"):
        load_manifest(path)


def test_two_plugins_of_one_name_are_refused_with_both_lines(path):
    path.write_text("version: 1\nplugins:\n  - {name: a, factory: a:B}\n  - {name: a, factory: a:C}\n")
    with pytest.raises(Misconfigured, match="in lines 3 and 4"):
        load_manifest(path)


def test_more_plugins_than_a_host_can_run_are_refused(path):
    entries = "".join(f"  - {{name: p{n}, factory: a:B}}\n" for n in range(PLUGINS_MAX + 1))
    path.write_text("version: 1\nplugins:\n" + entries)
    with pytest.raises(Misconfigured, match="the limit is 100"):
        load_manifest(path)


def test_the_build_list_of_another_system_is_not_taken_for_a_manifest(path):
    path.write_text('defaults:\n  goflags: ""\nplugins:\n  cron:\n    - moduleURI: x\n')
    with pytest.raises(Misconfigured):
        load_manifest(path)
