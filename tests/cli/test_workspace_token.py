"""``strongroom workspace token``: the token is shown once, and the file keeps what does not give it away."""

import hashlib
import json
import stat

import pytest

from strongroom.cli.main import run
from strongroom.workspace.sync.tokens import TokenFile


@pytest.fixture
def said(capsys):
    def call(*arguments):
        code = run(["workspace", "token", *arguments])
        out, err = capsys.readouterr()
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


def test_a_token_is_shown_once_and_its_digest_is_kept(said, tmp_path):
    path = tmp_path / "tokens"
    code, document, err = said("--tokens-file", str(path), "--owner-id", "alice", "--comment", "her  phone\n", "--json")
    token = document["token"]
    assert (code, document["owner_id"], document["may_write"], len(token) >= 43) == (0, "alice", True, True)
    line = path.read_text()
    assert (token in line, token in err) == (False, False)
    assert line.startswith(f"{hashlib.sha256(token.encode()).hexdigest()}  alice  rw  ")
    assert line.endswith(" her phone\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_relay_reads_what_was_written(said, tmp_path):
    path = tmp_path / "tokens"
    made = [
        said("--tokens-file", str(path), "--owner-id", owner, *more)[1].strip()
        for owner, more in (("alice", ()), ("a b/ü", ("--read-only",)))
    ]
    tokens = TokenFile(path)
    grants = [tokens.admit((token,)) for token in made]
    assert [(grant.owner_id, grant.may_write) for grant in grants] == [("alice", True), ("a b/ü", False)]
    assert tokens.admit(("another",)) is None


def test_a_line_that_was_cut_off_does_not_swallow_the_next_one(said, tmp_path):
    path = tmp_path / "tokens"
    path.write_text("# no end")
    path.chmod(0o600)
    said("--tokens-file", str(path))
    assert path.read_text().splitlines()[0] == "# no end"
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("make", "code", "reason"),
    [
        (lambda path: path.touch(0o644), 65, "SR-CLI-168"),
        (lambda path: path.symlink_to(path.with_name("real")), 73, "SR-CLI-167"),
        (lambda path: path.mkdir(), 73, "SR-CLI-167"),
    ],
    ids=["others may read it", "a link", "a directory"],
)
def test_a_file_that_cannot_keep_it_is_refused_and_no_token_is_shown(said, tmp_path, make, code, reason):
    path = tmp_path / "tokens"
    make(path)
    found, out, err = said("--tokens-file", str(path))
    assert (found, out, reason in err) == (code, "", True), err
    assert not (tmp_path / "real").exists()
    if path.is_file():
        assert path.read_text() == ""


def test_a_file_in_a_directory_that_is_not_there_is_refused(said, tmp_path):
    code, out, err = said("--tokens-file", str(tmp_path / "nowhere" / "tokens"))
    assert (code, out, "SR-CLI-167" in err) == (73, "", True)


def test_an_empty_owner_is_refused(said, tmp_path):
    code, _, err = said("--tokens-file", str(tmp_path / "tokens"), "--owner-id", "")
    assert (code, "SR-CLI-166" in err, (tmp_path / "tokens").exists()) == (2, True, False)
