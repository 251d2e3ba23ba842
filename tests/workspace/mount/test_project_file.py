"""``strongroom.toml``: what it may say, where it is looked for, and how each wrong one is refused."""

import os

import pytest

from strongroom.errors import Misconfigured, NotFound
from strongroom.workspace.mount.project_file import (
    FILE_BYTES_MAX,
    FILE_NAME,
    MOUNTS_MAX,
    MountEntry,
    check_names,
    find_project,
    read_project,
)


def project(tmp_path, text: str):
    (tmp_path / FILE_NAME).write_text(text)
    return read_project(tmp_path)


def refusal(tmp_path, text: str) -> Misconfigured:
    with pytest.raises(Misconfigured) as caught:
        project(tmp_path, text)
    return caught.value


def test_a_mount_has_every_key_that_the_file_may_say(tmp_path):
    file = project(
        tmp_path,
        """
        [[mounts]]
        name = "notes"
        workspace = "team-notes"
        provider = "fuji"
        strict = false
        write_format = 1
        relay = "wss://relay.example/base"
        materialize = ["sqlite", "markdown"]

        [[mounts]]
        name = "Plain_1"
        """,
    )
    notes, plain = file.mounts
    assert (notes.name, notes.workspace, notes.provider) == ("notes", "team-notes", "fuji")
    assert (notes.strict, notes.write_format, notes.relay) == (False, 1, "wss://relay.example/base")
    assert notes.materialize == ("sqlite", "markdown")
    assert (plain.workspace, plain.provider, plain.strict, plain.write_format) == ("", "workspace", True, 2)
    assert (plain.relay, plain.materialize) == ("", ())
    assert file.entry("notes") is notes
    assert file.entry("other") is None


def test_a_file_without_mounts_declares_none(tmp_path):
    assert project(tmp_path, "# nothing yet\n").mounts == ()


def test_the_project_is_the_nearest_ancestor_with_a_file(tmp_path):
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"
    (inner / "src" / "deep").mkdir(parents=True)
    (outer / FILE_NAME).write_text("")
    assert find_project(inner / "src" / "deep") == outer
    (inner / FILE_NAME).write_text("")
    assert find_project(inner / "src" / "deep") == inner
    assert find_project(inner) == inner


def test_the_project_is_found_through_a_link_at_its_real_place(tmp_path):
    real = tmp_path / "real"
    real.mkdir()
    (real / FILE_NAME).write_text("")
    (tmp_path / "link").symlink_to(real)
    assert find_project(tmp_path / "link") == real


def test_no_file_anywhere_above_is_not_found(tmp_path):
    with pytest.raises(NotFound, match=f"neither it nor a directory above it has a {FILE_NAME}") as caught:
        find_project(tmp_path)
    assert caught.value.code == "SR-MOUNT-001"


def test_a_directory_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="there is no such directory"):
        find_project(tmp_path / "nowhere")


@pytest.mark.parametrize("text", ["[[mounts", "mounts = ", "\x00", "a = {", "[[mounts]]\nname = 'a'\nname = 'b'"])
def test_a_file_that_is_no_toml_is_invalid(tmp_path, text):
    error = refusal(tmp_path, text)
    assert (error.code, error.details["where"]) == ("SR-MOUNT-002", str(tmp_path / FILE_NAME))


def test_a_file_that_is_no_text_is_invalid(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match="it is not UTF-8"):
        read_project(tmp_path)


def test_a_file_that_is_nested_without_end_is_invalid(tmp_path):
    assert refusal(tmp_path, "a = " + "[" * 50_000).code == "SR-MOUNT-002"


def test_a_file_has_a_size(tmp_path):
    assert f"more than {FILE_BYTES_MAX} bytes" in str(refusal(tmp_path, "#" * (FILE_BYTES_MAX + 1)))


def test_a_pipe_in_place_of_the_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / FILE_NAME)
    with pytest.raises(Misconfigured, match="no regular file"):
        read_project(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_of_another_user_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_text("")
    os.chown(tmp_path / FILE_NAME, 65534, 65534)
    with pytest.raises(Misconfigured, match="it belongs to user 65534"):
        read_project(tmp_path)


@pytest.mark.parametrize(
    "text",
    ['[mounts]\nname = "notes"', 'name = "notes"', 'workspace = "notes"\nstrict = true', "mounts = {name = 'a'}"],
)
def test_a_bare_mount_instead_of_a_list_has_its_own_text(tmp_path, text):
    error = refusal(tmp_path, text)
    assert error.code == "SR-MOUNT-003"
    assert "one mount where a list of mounts belongs" in str(error)
    assert "[[mounts]]" in error.fix


@pytest.mark.parametrize("text", ["mounts = 1", "mounts = 'notes'", "mounts = true"])
def test_mounts_that_are_no_list_are_refused(tmp_path, text):
    assert "not a list of tables" in str(refusal(tmp_path, text))


def test_a_list_of_other_things_than_tables_is_refused(tmp_path):
    error = refusal(tmp_path, "mounts = ['notes']")
    assert error.details["where"] == f"{tmp_path / FILE_NAME}:mounts[0]"


@pytest.mark.parametrize(
    ("text", "where", "nearest"),
    [
        ("[[mount]]\nname = 'a'", "mount", "mounts"),
        ("[[mounts]]\nname = 'a'\nworkspce = 'a'", "mounts[0].workspce", "workspace"),
        ("[[mounts]]\nname = 'a'\n[[mounts]]\nname = 'b'\nmaterialise = []", "mounts[1].materialise", "materialize"),
    ],
)
def test_an_unknown_key_is_refused_with_its_place_and_the_nearest_name(tmp_path, text, where, nearest):
    error = refusal(tmp_path, text)
    assert error.details["where"] == f"{tmp_path / FILE_NAME}:{where}"
    assert error.details["nearest"] == nearest
    assert f"did you mean {nearest}?" in str(error)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("", "name"),
        ("name = 7", "name"),
        ("name = ''", "name"),
        ("name = 'a'\nworkspace = 'Not An Id'", "workspace"),
        ("name = 'a'\nworkspace = 'con'", "workspace"),
        ("name = 'a'\nprovider = 'no provider'", "provider"),
        ("name = 'a'\nstrict = 'yes'", "strict"),
        ("name = 'a'\nstrict = 1", "strict"),
        ("name = 'a'\nwrite_format = 3", "write_format"),
        ("name = 'a'\nwrite_format = true", "write_format"),
        ("name = 'a'\nrelay = 'relay.example'", "relay"),
        ("name = 'a'\nrelay = 'ws://relay.example'", "relay"),
        ("name = 'a'\nrelay = 'wss://me:word@relay.example'", "relay"),
        ("name = 'a'\nrelay = 'wss://relay.example?token=x'", "relay"),
        ("name = 'a'\nrelay = 'wss://[x'", "relay"),
        ("name = 'a'\nmaterialize = 'sqlite'", "materialize"),
        ("name = 'a'\nmaterialize = ['html']", "materialize"),
        ("name = 'a'\nmaterialize = ['sqlite', 'sqlite']", "materialize"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(tmp_path, line, key):
    error = refusal(tmp_path, f"[[mounts]]\n{line}\n")
    assert error.details["where"] == f"{tmp_path / FILE_NAME}:mounts[0].{key}"
    assert error.fix
    assert "word" not in str(error)


@pytest.mark.parametrize(
    "relay", ["local", "wss://relay.example", "https://a.example/x", "ws://127.0.0.1:7", "ws://[::1]"]
)
def test_a_relay_is_local_or_an_address(tmp_path, relay):
    assert project(tmp_path, f"[[mounts]]\nname = 'a'\nrelay = '{relay}'\n").mounts[0].relay == relay


def test_a_project_has_a_number_of_mounts(tmp_path):
    text = "".join(f"[[mounts]]\nname = 'm{number}'\n" for number in range(MOUNTS_MAX + 1))
    assert f"65 entries, the limit is {MOUNTS_MAX}" in str(refusal(tmp_path, text))


def names(*given: str, workspaces: tuple[str, ...] = ()) -> list[MountEntry]:
    ids = workspaces or ("",) * len(given)
    return [MountEntry(name=name, workspace=workspace) for name, workspace in zip(given, ids, strict=True)]


def test_duplicates_are_reported_before_bad_names(tmp_path):
    with pytest.raises(Misconfigured, match="twin is declared twice"):
        check_names(names("not a name", "twin", "twin"), tmp_path / FILE_NAME)


@pytest.mark.parametrize("name", ["", "-a", "_a", "a b", "a/b", "ä", "a.b", "a\n", "n" * 65])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(Misconfigured, match="it is no name") as caught:
        check_names(names("fine", name), tmp_path / FILE_NAME)
    assert caught.value.details["where"] == f"{tmp_path / FILE_NAME}:mounts[1].name"


@pytest.mark.parametrize("name", ["a", "A", "0", "a-b_C9", "n" * 64])
def test_names_of_letters_digits_and_hyphens_are_taken(tmp_path, name):
    check_names(names(name), tmp_path / FILE_NAME)


def test_two_mounts_of_one_workspace_would_be_two_writers_of_one_log(tmp_path):
    with pytest.raises(Misconfigured, match="team is mounted twice"):
        check_names(names("a", "b", workspaces=("team", "team")), tmp_path / FILE_NAME)
