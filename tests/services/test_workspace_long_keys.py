"""Keys of peers may be as long as a message: pages stay small, none is in the way of what stands behind it."""

import json

import pytest

from strongroom.cli.main import run
from strongroom.pb.strongroom.v1 import workspace_pb2 as pb
from tests.fakes.workspace_host import WorkspaceHost, workspace_stub

LONG_CHARACTERS = 1_200_000


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with WorkspaceHost(tmp_path).serving(tmp_path / "strongroom.sock") as made:
        made.open()
        made.push_plaintext("kv", **{letter * LONG_CHARACTERS: 1 for letter in "bdfh"})
        for key in "acegi":
            made.desk.put("notes", "", key, b"1")
        yield made


def test_pages_count_keys_too_and_their_tokens_are_short(host, tmp_path):
    found, token, pages = [], "", 0
    with workspace_stub(tmp_path / "strongroom.sock") as api:
        while pages < 20:
            request = pb.WorkspaceServiceEntriesRequest(name="notes", page_size=100, page_token=token)
            answer = api.Entries(request, timeout=10)
            pages += 1
            assert answer.ByteSize() < 4_000_000
            found += [entry.key for entry in answer.entries]
            token = answer.next_page_token
            assert len(token) < 1_000
            if not token:
                break
    assert [key[0] for key in found] == list("abcdefghi")
    assert pages > 2


def test_people_see_the_beginning_and_programs_all_of_it(host, capsys):
    assert run(["workspace", "entries", "notes"]) == 0
    shown = capsys.readouterr().out
    assert len(shown) < 5_000
    assert f"({LONG_CHARACTERS} characters)" in shown
    assert run(["workspace", "entries", "notes", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)["entries"]
    assert "b" * LONG_CHARACTERS in [entry["key"] for entry in entries]
