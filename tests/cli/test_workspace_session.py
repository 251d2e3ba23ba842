"""``strongroom workspace session``, ``sign-in`` and ``sign-out``: grants come from files and are never shown."""

import io
import json

import pytest

from strongroom.cli.main import run
from tests.fakes.mount_rig import StubServer, remote
from tests.fakes.workspace_host import WorkspaceHost

TOKEN = "MARKER-of-a-grant"


@pytest.fixture
def said(capsys):
    def call(*arguments):
        code = run(["workspace", *arguments])
        out, err = capsys.readouterr()
        assert TOKEN not in out + err, "a grant is shown"
        return code, json.loads(out) if "--json" in arguments and out else out, err

    return call


@pytest.fixture
def served(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    server = StubServer()
    server.owner_of[TOKEN] = "alice"
    session = remote(tmp_path, owner="", server=server)
    with WorkspaceHost(tmp_path, session=session).serving(tmp_path / "strongroom.sock") as made:
        yield made


@pytest.fixture
def local(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with WorkspaceHost(tmp_path).serving(tmp_path / "strongroom.sock") as made:
        yield made


def test_signing_in_opens_what_is_remembered_and_signing_out_closes_it(served, said, tmp_path):
    grant = tmp_path / "grant.json"
    grant.write_text(json.dumps({"accessToken": TOKEN, "refreshToken": "r", "accessTokenExpiresAt": 1e12}))
    code, document, _ = said("session", "--json")
    assert (code, document["state"], document["key_versions"]) == (0, "signed-out", [])
    code, _, err = said("mount", str(served.project), "--name", "notes")
    assert (code, "SR-MOUNT-013" in err) == (69, True)
    code, document, _ = said("sign-in", "--grant", f"@{grant}", "--json")
    assert (code, document["owner_id"]) == (0, "alice")
    assert said("mount", str(served.project), "--name", "notes")[0] == 0
    said("set", "notes", "a", "1")
    code, _, err = said("sign-out", "--no-input")
    assert (code, "SR-CLI-002" in err) == (2, True)
    assert said("sign-out", "--yes")[0] == 0
    code, document, _ = said("list", "--json")
    assert (code, document["mounts"][0]["state"]) == (0, "signed-out")
    assert said("get", "notes", "a")[0] == 69
    assert said("sign-in", "--grant", f"@{grant}")[0] == 0
    assert said("get", "notes", "a")[:2] == (0, "1\n")
    assert "alice" in said("session")[1]


def test_a_grant_is_not_taken_from_the_command_line(served, said, capsys):
    code = run(["workspace", "sign-in", "--grant", json.dumps({"accessToken": TOKEN})])
    out, err = capsys.readouterr()
    assert (code, "SR-CLI-164" in err, TOKEN in out + err) == (65, True, False)


@pytest.mark.parametrize(
    "grant",
    [
        "",
        TOKEN,
        "[]",
        "null",
        "{}",
        json.dumps({"accessToken": ""}),
        json.dumps({"accessToken": 5}),
        json.dumps({"accessToken": TOKEN, "refreshToken": 5}),
        json.dumps({"accessToken": TOKEN, "accessTokenExpiresAt": "soon"}),
        json.dumps({"accessToken": TOKEN, "accessTokenExpiresAt": True}),
        '{"accessToken": "' + TOKEN + '", "accessTokenExpiresAt": 1e999}',
        '{"accessToken": "' + TOKEN + '", "accessTokenExpiresAt": NaN}',
        '{"accessToken": "' + TOKEN + '", "accessTokenExpiresAt": -1e30}',
        "[" * 60_000,
    ],
)
def test_what_is_no_grant_is_refused_and_not_shown(served, said, monkeypatch, grant):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(grant.encode())))
    code, out, err = said("sign-in")
    assert (code, out, "SR-CLI-165" in err) == (65, "", True), err
    assert served.session.state.value == "signed-out"


def test_a_grant_has_a_limit(served, said, tmp_path):
    (tmp_path / "grant").write_text(json.dumps({"accessToken": TOKEN * 10_000}))
    code, _, err = said("sign-in", "--grant", f"@{tmp_path / 'grant'}")
    assert (code, "SR-CLI-" in err) == (65, True)


def test_a_host_with_keys_of_its_own_has_nobody_to_sign_in(local, said, tmp_path):
    (tmp_path / "grant").write_text(json.dumps({"accessToken": TOKEN}))
    code, document, _ = said("session", "--json")
    assert (code, document["state"], document["owner_id"]) == (0, "signed-in", "shared")
    assert document["key_versions"] == [1]
    for arguments in (("sign-in", "--grant", f"@{tmp_path / 'grant'}"), ("sign-out", "--yes")):
        code, _, err = said(*arguments)
        assert (code, "SR-SESSION-013" in err) == (65, True)
