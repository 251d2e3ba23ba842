"""``strongroom plugin``: the manifest is checked without running plugins, and edited without losing a comment."""

from pathlib import Path

import pytest

from tests.fakes.terminal import strongroom

ROOT = Path(__file__).resolve().parents[2]

MANIFEST = """\
# what we load
version: 1
plugins:
  - name: one  # the first
    # a comment that stays
    command: [python, -m, json]
    enabled: true   # for now
  - command: [python, -m, json]
    name: two
"""


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MANIFEST)
    return path


def test_disabling_changes_one_word(manifest):
    ended = strongroom("plugin", "disable", "one", "--file", str(manifest))
    assert ended.code == 0
    assert "strongroom reload makes it so" in ended.err
    assert manifest.read_text() == MANIFEST.replace("enabled: true ", "enabled: false ")


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_disabling_adds_one_line_where_there_was_none_and_enabling_takes_it_away(manifest, end):
    before = MANIFEST.replace("\n", end).encode()
    manifest.write_bytes(before)
    assert strongroom("plugin", "disable", "two", "--file", str(manifest)).code == 0
    added = f"    enabled: false  # added by `strongroom plugin disable`{end}"
    assert manifest.read_bytes() == before + added.encode()
    assert strongroom("plugin", "enable", "two", "--file", str(manifest)).code == 0
    assert manifest.read_bytes() == before


def test_a_line_that_somebody_wrote_stays_when_its_plugin_is_enabled(manifest):
    written = MANIFEST + "    enabled: false  # too slow\n"
    manifest.write_text(written)
    assert strongroom("plugin", "enable", "two", "--file", str(manifest)).code == 0
    assert manifest.read_text() == written.replace("false  #", "true  #")


@pytest.mark.parametrize("form", [[], ["--file"]], ids=["argument", "option"])
@pytest.mark.parametrize("command", [["disable", "one"], ["enable", "one"], ["check"]], ids=lambda words: words[0])
def test_every_command_takes_the_manifest_in_both_forms(manifest, command, form):
    ended = strongroom("plugin", *command, *form, str(manifest), "--json")
    assert ended.document["file"] == str(manifest)


@pytest.mark.parametrize("command", [["disable", "one"], ["enable", "one"], ["check"]], ids=lambda words: words[0])
def test_a_manifest_that_is_named_twice_is_refused(manifest, command):
    ended = strongroom("plugin", *command, str(manifest), "--file", "other.yaml", "--json")
    assert (ended.code, ended.error["code"]) == (2, "SR-CLI-044")
    assert manifest.read_text() == MANIFEST


def test_enabling_takes_it_back(manifest):
    strongroom("plugin", "disable", "one", "--file", str(manifest))
    ended = strongroom("plugin", "enable", "one", "--file", str(manifest), "--json")
    assert ended.document["changed"] is True
    assert manifest.read_text() == MANIFEST


def test_what_is_so_already_is_left_alone(manifest):
    before = manifest.stat().st_mtime_ns
    ended = strongroom("plugin", "enable", "two", "--file", str(manifest), "--json")
    assert ended.document["changed"] is False
    assert manifest.stat().st_mtime_ns == before


def test_a_rehearsal_changes_nothing(manifest):
    assert strongroom("plugin", "disable", "one", "--file", str(manifest), "--dry-run").code == 0
    assert manifest.read_text() == MANIFEST
    assert [p.name for p in manifest.parent.iterdir() if p.name.startswith(".mine")] == []


def test_the_mode_of_the_file_and_a_link_to_it_stay(manifest, tmp_path):
    manifest.chmod(0o640)
    (tmp_path / "link.yaml").symlink_to(manifest)
    assert strongroom("plugin", "disable", "one", "--file", str(tmp_path / "link.yaml")).code == 0
    assert manifest.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link.yaml").is_symlink()


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nplugins: [{name: one, command: [python]}, {name: two, command: [python]}]\n",
        "version: 1\nplugins: [{name: one, command: [a], enabled: true}, {name: two, command: [a], enabled: true}]\n",
        'version: 1\nplugins:\n- {"name": two, "command": [python], "enabled": yes}\n',
    ],
    ids=["flow", "two-on-a-line", "quoted-keys"],
)
def test_a_layout_that_cannot_be_edited_safely_is_changed_rightly_or_not_at_all(manifest, text):
    manifest.write_text(text)
    ended = strongroom("plugin", "disable", "two", "--file", str(manifest), "--json")
    assert ended.code == 65
    assert ended.error["code"] == "SR-CLI-042"
    assert manifest.read_text() == text


def test_a_name_that_is_not_there_is_refused_with_the_nearest(manifest):
    ended = strongroom("plugin", "disable", "on", "--file", str(manifest))
    assert ended.code == 65
    assert "did you mean one?" in ended.err


def test_a_manifest_that_is_wrong_is_not_edited(manifest):
    manifest.write_text(MANIFEST + "extra: 1\n")
    assert strongroom("plugin", "disable", "one", "--file", str(manifest)).code == 78
    assert manifest.read_text() == MANIFEST + "extra: 1\n"


def test_the_manifest_of_the_package_is_not_edited_by_accident():
    ended = strongroom("plugin", "disable", "vault")
    assert ended.code == 78
    assert "SR-CLI-043" in ended.err


def test_checking_finds_what_is_missing_without_running_anything(manifest, tmp_path, monkeypatch):
    trap = tmp_path / "trap"
    trap.mkdir()
    (trap / "__init__.py").write_text("raise SystemExit('a plugin ran')\n")
    (trap / "inner.py").write_text("class There:\n    pass\n")
    (trap / "broken.py").write_text("class (:\n")
    monkeypatch.syspath_prepend(tmp_path)
    factories = ["trap.inner:There", "trap.inner:Nowhere", "trap.nowhere:X", "nowhere:X", "trap.broken:X"]
    entries = "".join(f"  - name: p{n}\n    factory: {factory}\n" for n, factory in enumerate(factories))
    commands = "  - {name: c0, command: [sh]}\n  - {name: c1, command: [no-such-program]}\n"
    commands += "  - {name: c2, command: [python, -m, no_such_module]}\n"
    manifest.write_text(f"version: 1\nplugins:\n{entries}{commands}")
    ended = strongroom("plugin", "check", str(manifest), "--json")
    found = {p["name"]: p["problem"] for p in ended.document["plugins"]}
    assert ended.code == 1
    assert ended.document["ok"] is False
    assert {name for name, problem in found.items() if not problem} == {"p0", "c0"}
    assert found["p1"] == "module trap.inner defines no Nowhere"


def test_a_disabled_plugin_may_be_missing(manifest):
    manifest.write_text("version: 1\nplugins:\n  - {name: a, factory: 'nowhere:X', enabled: false}\n")
    ended = strongroom("plugin", "check", str(manifest))
    assert (ended.code, f"looked at {manifest}" in ended.err) == (0, True)


def test_the_manifest_at_the_root_is_the_one_that_ships():
    shipped = ROOT / "daemon" / "strongroom" / "settings" / "plugins.yaml"
    assert (ROOT / "plugins.yaml").read_bytes() == shipped.read_bytes()


def test_every_plugin_that_ships_is_found():
    ended = strongroom("plugin", "check", str(ROOT / "plugins.yaml"), "--json")
    assert [p for p in ended.document["plugins"] if p["problem"]] == []
    assert ended.code == 0


PLUGIN = """
from dataclasses import dataclass, field, KW_ONLY
from typing import ClassVar
raise SystemExit("a plugin ran")

@dataclass(slots=True)
class Feed:
    _: KW_ONLY
    known: ClassVar[int] = 1
    url: str
    every_s: float = 1
    count: int | None = None
    hosts: tuple[str, ...] = ()
    odd: "anything" = 1
    names: list[str] = field(default_factory=list)
    _state: object = field(default=None, init=False)

class Plain:
    pass
"""


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("{url: x}", None),
        ("{url: x, every_s: 2, count: null, hosts: [a], odd: [], names: []}", None),
        ("{url: '${state_dir}/x'}", None),
        ("{}", "config.url: it is required"),
        ("{ulr: x}", "config.ulr: no such key; did you mean url?"),
        ("{url: x, _state: 1}", "config._state: no such key"),
        ("{url: x, known: 1}", "config.known: no such key"),
        ("{url: 7}", "config.url: it must be str, it is int"),
        ("{url: x, count: true}", "config.count: it must be int | None, it is bool"),
        ("{url: x, hosts: a}", "config.hosts: it must be tuple[str, ...], it is str"),
        ("{url: '${home}/x'}", "config.url: ${home} is not known; known are ${keys_dir}"),
    ],
)
@pytest.mark.parametrize("how", ["factory: 'feed.plugin:Feed'", "factory: 'feed:Feed'", "command: [python, -m, feed]"])
def test_a_config_is_checked_against_the_class_without_running_it(
    manifest, tmp_path, monkeypatch, how, config, problem
):
    package = tmp_path / "feed"
    package.mkdir()
    (package / "__init__.py").write_text("from feed.plugin import Feed\n")
    (package / "plugin.py").write_text(PLUGIN)
    (package / "__main__.py").write_text("from feed.plugin import Feed as It\nserve(It)\n")
    monkeypatch.syspath_prepend(tmp_path)
    manifest.write_text(f"version: 1\nplugins:\n  - name: feed\n    {how}\n    config: {config}\n")
    ended = strongroom("plugin", "check", str(manifest), "--json")
    (shown,) = ended.document["plugins"]
    assert ended.code == (1 if problem else 0)
    assert shown["problem"].startswith(problem) if problem else not shown["problem"]
    assert "no plugin code ran: `provides` and the values in `config` are judged at the start" in ended.err


def test_a_class_that_is_no_dataclass_is_left_to_the_start(manifest, tmp_path, monkeypatch):
    (tmp_path / "plain.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    manifest.write_text("version: 1\nplugins:\n  - name: p\n    factory: 'plain:Plain'\n    config: {any: 1}\n")
    assert strongroom("plugin", "check", str(manifest)).code == 0
