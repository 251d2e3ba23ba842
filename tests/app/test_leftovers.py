"""What a killed daemon left is removed, and nothing else is."""

import pytest

from strongroom.app.leftovers import PluginDirectories


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "plugins"
    made.mkdir(mode=0o700)
    return made


def left(directory, name="vault-abcd_123", mode=0o700):
    path = directory / name
    path.mkdir(mode=mode)
    path.chmod(mode)
    (path / "plugin.sock").touch()
    return path


def test_directories_of_plugins_are_removed(directory):
    left(directory)
    left(directory, "confidential-wor-0a1b2c3d")
    PluginDirectories(directory).release()
    assert list(directory.iterdir()) == []


def test_what_does_not_look_like_ours_stays(directory, tmp_path):
    elsewhere = left(tmp_path, "elsewhere")
    (directory / "vault-abcdefgh").symlink_to(elsewhere)
    (directory / "vault-file0000").touch()
    left(directory, "open-abcdefgh", mode=0o755)
    left(directory, "notes")
    (left(directory) / "link").symlink_to(elsewhere)
    PluginDirectories(directory).release()
    names = {path.name for path in directory.iterdir()}
    assert names == {"vault-abcdefgh", "vault-file0000", "open-abcdefgh", "notes"}
    assert (elsewhere / "plugin.sock").exists()


def test_what_another_daemon_uses_stays(directory):
    first = PluginDirectories(directory)
    in_use = left(directory)
    second = PluginDirectories(directory)
    assert in_use.exists()
    first.release()
    third = PluginDirectories(directory)
    assert in_use.exists()
    second.release()
    third.release()
    PluginDirectories(directory).release()
    assert not in_use.exists()
