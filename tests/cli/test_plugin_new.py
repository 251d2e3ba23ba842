"""``strongroom plugin new``: it writes all of a plugin or nothing, and only where nothing is."""

import ast
import tomllib
from pathlib import Path

import pytest

from strongroom.cli import plugin_new
from strongroom.settings.manifest import load_manifest
from tests.fakes.terminal import strongroom

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", ["action", "trigger"])
@pytest.mark.parametrize("process", [[], ["--process"]], ids=["in process", "process"])
def test_what_is_written_is_complete_and_names_the_plugin_everywhere(tmp_path, kind, process):
    ended = strongroom("plugin", "new", "my-own-feed", "--dir", str(tmp_path), "--kind", kind, *process, "--json")
    assert ended.code == 0, ended.err
    made = tmp_path / "my-own-feed"
    files = {str(path.relative_to(made)): path for path in made.rglob("*") if path.is_file()}
    assert sorted(files) == ended.document["files"]
    assert {"README.md", "pyproject.toml", "plugins.yaml", "src/my_own_feed/plugin.py"} < files.keys()
    for path in files.values():
        text = path.read_text()
        assert "{{" not in text.replace('f"{', ""), path
        assert "}}" not in text, path
        if path.suffix == ".py":
            ast.parse(text)
    project = tomllib.loads(files["pyproject.toml"].read_text())["project"]
    assert project["name"] == "my-own-feed"
    assert project["dependencies"][0].startswith("strongroom>=")
    (entry,) = load_manifest(files["plugins.yaml"])
    assert entry.provides == ("my-own-feed@1.0.0",)
    assert (entry.command, entry.factory) == (
        (("python", "-m", "my_own_feed"), None) if process else (None, "my_own_feed.plugin:MyOwnFeed")
    )


def test_the_next_three_commands_are_said(tmp_path):
    ended = strongroom("plugin", "new", "feed", "--dir", str(tmp_path))
    lines = ended.err.splitlines()
    assert lines[0] == "next:"
    assert f"cd {tmp_path}/feed && " in lines[1]
    assert lines[2].endswith("-m pytest")
    assert lines[3].strip() == "strongroom dev --state-dir ~/feed-try --plugins-file plugins.yaml"
    assert str(tmp_path / "feed" / "README.md") in ended.out


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Feed", "words of a-z and 0-9"),
        ("1feed", "words of a-z"),
        ("a_b", "words of a-z"),
        ("a--b", "words of a-z"),
        ("a-", "words of a-z"),
        ("../a", "words of a-z"),
        ("a/b", "words of a-z"),
        ("ä", "words of a-z"),
        ("a" * 51, "at most 50 characters"),
        ("class", "Python has that word"),
        ("match", "Python has that word"),
        ("json", "there is a package json already"),
        ("strongroom", "there is a package strongroom already"),
        ("strongroom-vault", "there is a package strongroom_vault already"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(tmp_path, name, why):
    ended = strongroom("plugin", "new", name, "--dir", str(tmp_path), "--json")
    assert (ended.code, ended.error["code"]) == (2, "SR-CLI-045")
    assert why in ended.error["why"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "directory", "dangling link"])
def test_nothing_is_written_over(tmp_path, kind):
    target = tmp_path / "feed"
    {"file": lambda: target.write_text("mine"), "directory": target.mkdir}.get(
        kind, lambda: target.symlink_to("nowhere")
    )()
    ended = strongroom("plugin", "new", "feed", "--dir", str(tmp_path), "--json")
    assert (ended.code, ended.error["code"]) == (73, "SR-CLI-046")
    assert [path.name for path in tmp_path.iterdir()] == ["feed"]


def test_a_rehearsal_writes_nothing(tmp_path):
    ended = strongroom("plugin", "new", "feed", "--dir", str(tmp_path), "--dry-run", "--json")
    assert (ended.code, ended.document["dry_run"], len(ended.document["files"])) == (0, True, 8)
    assert list(tmp_path.iterdir()) == []
    assert strongroom("plugin", "new", "feed", "--dir", str(tmp_path)).code == 0


def test_a_disk_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    write, written = Path.write_text, []

    def failing(path, text, *more, **named):
        written.append(path)
        if len(written) == 4:
            raise OSError(28, "No space left on device", str(path))
        return write(path, text, *more, **named)

    monkeypatch.setattr(Path, "write_text", failing)
    ended = strongroom("plugin", "new", "feed", "--dir", str(tmp_path), "--json")
    assert ended.code != 0
    assert "No space left" in str(ended.error)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_not_there_is_made(tmp_path):
    assert strongroom("plugin", "new", "feed", "--dir", str(tmp_path / "a" / "b")).code == 0
    assert (tmp_path / "a" / "b" / "feed" / "pyproject.toml").is_file()


def test_the_template_has_one_source():
    assert (ROOT / "plugins" / "_template").resolve() == plugin_new.TEMPLATE


@pytest.mark.parametrize(
    ("version", "requirement"),
    [("0.1.0", "strongroom>=0.1.0,<0.2"), ("0.9.3", "strongroom>=0.9.3,<0.10"), ("1.2.3", "strongroom>=1.2.3,<2")],
)
def test_a_plugin_asks_for_the_releases_that_promise_to_be_compatible(version, requirement):
    assert plugin_new._requirement(version) == requirement
