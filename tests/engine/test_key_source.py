"""Secrets come from the provider that is named and from nowhere else; without one they are found as ever."""

import subprocess
import sys
import traceback

import pytest

from strongroom.engine.key_source import KeySource, ShippedKeyProviders
from strongroom.errors import Misconfigured, PluginFault, StrongroomError, WrongState
from strongroom.keyring.sources import VARIABLE
from strongroom.settings.keys import KeySettings
from strongroom.settings.manifest import load_manifest
from strongroom.settings.model import Settings
from tests.fakes.installed_plugin import InstalledPlugin
from tests.fakes.key_provider import HIDDEN
from tests.fakes.key_rig import text_of
from tests.fakes.software_tpm import SoftwareTpm, needs_swtpm

ENTRY = """
version: 1
plugins:
  - name: drawer
    required: true
    factory: tests.fakes.key_provider:{factory}
    provides: ["key-provider:drawer"]
    config: {config}
"""


class Places:
    """A host's settings and environment, in a directory."""

    def __init__(self, directory):
        self.directory = directory
        self.environ = {"CREDENTIALS_DIRECTORY": str(directory / "credentials"), "HOME": "/"}
        (directory / "credentials").mkdir()

    def put(self, path, *versions):
        (self.directory / path).write_text(text_of(*versions))
        (self.directory / path).chmod(0o600)

    def plugin(self, fault="", factory="DrawerPlugin"):
        config = f"{{path: '${{keys_dir}}/drawer', fault: '{fault}'}}" if factory == "DrawerPlugin" else "{}"
        (self.directory / "plugins.yaml").write_text(ENTRY.format(factory=factory, config=config))

    def found(self, provider, **keys):
        settings = Settings(
            keyring_file=self.directory / "file",
            keys_dir=self.directory,
            plugins_file=self.directory / "plugins.yaml",
            keys=KeySettings(provider=provider, tpm_file=self.directory / "keyring.tpm", **keys),
        )
        try:
            return KeySource(settings).find(self.environ, strict=True)
        finally:
            assert VARIABLE not in self.environ, "it is taken out, whatever comes of it"


@pytest.fixture
def places(tmp_path):
    """All places, empty."""
    made = Places(tmp_path)
    (tmp_path / "plugins.yaml").write_text("version: 1\nplugins: []\n")
    return made


@pytest.mark.parametrize(
    ("provider", "kind", "version"),
    [
        ("", "credential", 1),
        ("systemd-credential", "credential", 1),
        ("file", "file", 2),
        ("environment", "environment", 3),
        ("drawer", "drawer", 4),
    ],
)
def test_the_named_provider_serves_whatever_else_is_there(places, provider, kind, version):
    places.put("credentials/keyring", 1)
    if provider:
        places.put("file", 2)
        places.environ[VARIABLE] = text_of(3)
        places.put("drawer", 4)
        places.plugin()
    source, root, text = places.found(provider)
    assert (source.kind, root.versions, text) == (kind, (version,), text_of(version))
    assert text_of(version)[2:] not in repr(source)
    if provider != "environment":
        assert source.read(strict=True).versions == (version,)
        assert source.text() == text
    else:
        with pytest.raises(WrongState, match="which is read once"):
            source.text()


def test_what_a_provider_has_by_now_is_read_again(places):
    places.plugin()
    places.put("drawer", 1)
    source = places.found("drawer")[0]
    places.put("drawer", 2, 1)
    assert (source.read(strict=True).versions, source.where) == ((2, 1), "the drawer drawer")
    (places.directory / "drawer").unlink()
    with pytest.raises(Misconfigured) as refused:
        source.text()
    assert refused.value.code == "SR-KEYRING-035"


@pytest.mark.parametrize("provider", ["systemd-credential", "environment", "tpm-file", "drawer"])
def test_a_provider_that_has_nothing_stops_the_start_and_no_other_place_is_looked_at(places, provider):
    places.plugin()
    places.put("file", 1)
    with pytest.raises(Misconfigured, match=f"the key provider {provider} has no keyring") as refused:
        places.found(provider)
    assert refused.value.code == "SR-KEY-040"
    assert "no other place was looked at" in refused.value.fix


def test_a_file_that_is_not_there_yet_is_nothing(places):
    assert places.found("file") is None


def test_a_provider_that_nobody_has_is_named_with_those_that_there_are(places):
    with pytest.raises(Misconfigured, match="there is no key provider vault") as refused:
        places.found("vault")
    assert refused.value.code == "SR-KEY-039"
    assert "systemd-credential, file, environment, tpm-file" in refused.value.why


@pytest.mark.parametrize(
    ("fault", "factory", "code"),
    [
        ("raises", "DrawerPlugin", "SR-KEY-041"),
        ("", "Unloadable", "SR-KEY-041"),
        ("", "NotThere", "SR-KEY-041"),
        ("cannot tell", "DrawerPlugin", "SR-KEY-041"),
        ("tells a number", "DrawerPlugin", "SR-KEY-041"),
        ("cannot answer", "DrawerPlugin", "SR-KEY-041"),
        ("text", "DrawerPlugin", "SR-KEY-042"),
        ("large", "DrawerPlugin", "SR-KEY-042"),
        ("none", "DrawerPlugin", "SR-KEY-044"),
        ("answers nonsense", "DrawerPlugin", "SR-PLUG-093"),
        ("no UTF-8", "DrawerPlugin", "SR-KEYRING-036"),
    ],
)
def test_a_plugin_that_gives_no_keyring_stops_the_start_and_what_it_said_is_not_shown(places, fault, factory, code):
    places.put("file", 1)
    places.plugin(fault, factory)
    with pytest.raises(StrongroomError) as refused:
        places.found("drawer")
    assert (refused.value.code, isinstance(refused.value, PluginFault | Misconfigured)) == (code, True)
    assert HIDDEN not in "".join(traceback.format_exception(refused.value))


def test_a_short_secret_is_refused_from_a_provider_as_well(places):
    places.plugin()
    (places.directory / "drawer").write_text("1:short")
    with pytest.raises(Misconfigured):
        places.found("drawer")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (("    required: true\n", ""), "required has a wrong value: a key provider is required"),
        (('["key-provider:drawer"]', '["key-provider:drawer", "kvstore@1.0.0"]'), "offers nothing else"),
        (("factory: tests.fakes.key_provider:DrawerPlugin", "command: [python]"), "a process provides no keys"),
        (('"key-provider:drawer"', '"key-provider:"'), "it is not a capability id"),
    ],
    ids=["not required", "offers more", "a process", "no name"],
)
def test_a_manifest_lists_providers_of_keys_strictly(places, change, what):
    places.plugin()
    path = places.directory / "plugins.yaml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(Misconfigured) as refused:
        load_manifest(path)
    assert what in str(refused.value.with_fix())


@needs_swtpm
def test_a_host_takes_its_keyring_from_a_file_that_its_tpm_opens(places):
    machine = SoftwareTpm(places.directory).start()
    try:
        places.put("file", 2, 1)
        command = [
            sys.executable,
            "-m",
            "strongroom.cli",
            "keys",
            "seal-tpm",
            "--key-file",
            str(places.directory / "file"),
        ]
        command += ["--out", str(places.directory / "keyring.tpm"), "--tpm", str(machine.path), "--pcrs", "7"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, str(places.directory / "keyring.tpm"))
        assert "secret-" not in done.stdout + done.stderr + " ".join(command)
        assert (places.directory / "keyring.tpm").stat().st_mode & 0o777 == 0o600
        source, root, text = places.found("tpm-file", tpm_device=machine.path)
        assert (source.kind, root.versions, text) == ("tpm-file", (2, 1), text_of(2, 1))
        given = command.index("7")
        for wrong in ("7,x", "7," * 60 + "8"):
            command[given] = wrong
            refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert "SR-KEY-043" in refused.stderr, wrong
    finally:
        machine.kill()


def test_the_shipped_providers_show_nothing_of_what_they_hold(tmp_path):
    made = ShippedKeyProviders(tmp_path, "", text_of(1), tmp_path, tmp_path)
    assert repr(made) == "<ShippedKeyProviders>"
    assert [each.name for each in made.key_providers()] == ["systemd-credential", "file", "environment", "tpm-file"]
    assert "secret" not in "".join(map(repr, made.key_providers()))


def test_a_provider_of_keys_is_what_it_was_pinned_to_be_or_is_not_asked(places, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    plugin = InstalledPlugin(tmp_path / "site")

    def refused(record_sha256):
        entry = ENTRY.replace("tests.fakes.key_provider:{factory}", f"{plugin.package}.keys:Plugin")
        pin = f"{{distribution: {plugin.distribution}, version: '1.2', record_sha256: '{record_sha256}'}}"
        (tmp_path / "plugins.yaml").write_text(f"{entry.format(config='{}')}    pin: {pin}\n")
        with pytest.raises(PluginFault) as caught:
            places.found("drawer")
        return caught.value.code

    assert refused("0" * 64) == "SR-PIN-005"
    assert plugin.package not in sys.modules
    assert refused(plugin.pin().record_sha256) == "SR-KEY-044", "it was asked, and has none of that name"
    plugin.forget()
