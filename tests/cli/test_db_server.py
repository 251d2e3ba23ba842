"""``strongroom db`` with a PostgreSQL that cannot be used: it says which server said what, and never a password."""

import json
import socket
import struct
import threading

import pytest

from strongroom.cli.main import run
from tests.fakes.key_rig import text_of
from tests.scenarios.conftest import short_directory

PASSWORD = "hunter2-of-the-database"
COMMANDS = (("check",), ("check", "--json"), ("migrate", "--dry-run"), ("migrate", "--dry-run", "--json"))


@pytest.fixture
def place():
    """A directory with a name that is short enough for a socket."""
    made = short_directory()
    yield made
    for each in made.iterdir():
        each.unlink()
    made.rmdir()


@pytest.fixture
def said(place, capsys, monkeypatch):
    keyring = place / "keyring"
    keyring.write_text(text_of(1))
    keyring.chmod(0o600)

    def call(url, words):
        monkeypatch.setenv("STRONGROOM_DATABASE_URL", url)
        code = run(["db", *words, "--state-dir", str(place), "--key-file", str(keyring)])
        out, err = capsys.readouterr()
        assert PASSWORD not in out + err
        assert "Traceback" not in out + err
        if "--json" not in words:
            return code, err
        error = json.loads(err)["error"]
        return code, f"{error['code']} {error['why']} {error['fix']}"

    return call


def refusing(place):
    """A server that asks for the password, and says that it is wrong."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place / ".s.PGSQL.5432"))
    listener.listen()

    def message(kind, body):
        return kind + struct.pack("!I", len(body) + 4) + body

    def serve():
        with listener:
            connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(message(b"R", struct.pack("!I", 3)))
            connection.recv(4096)
            why = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "me"\0\0'
            connection.sendall(message(b"E", why))

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_server_that_does_not_listen_is_said_to_refuse(said, words):
    with socket.socket() as taken:
        # Bound and not listened to: nobody else can listen there meanwhile.
        taken.bind(("127.0.0.1", 0))
        code, text = said(f"postgresql://me:{PASSWORD}@127.0.0.1:{taken.getsockname()[1]}/strongroom", words)
    assert (code, "SR-STORE-002" in text) == (69, True), text
    assert "Connection refused" in text
    assert "database_url" in text


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_wrong_password_is_said_to_be_one(said, place, words):
    server = refusing(place)
    code, text = said(f"postgresql://me:{PASSWORD}@/strongroom?host={place}", words)
    server.join()
    assert (code, "SR-STORE-002" in text) == (69, True), text
    assert "password authentication failed" in text
    assert "a user that it lets in" in text


def test_a_database_that_is_not_there_is_named(said, postgres):
    for words in COMMANDS:
        code, text = said(postgres.url("nothing").replace("postgres@", f"postgres:{PASSWORD}@"), words)
        assert (code, "SR-STORE-002" in text) == (69, True), text
        assert "nothing" in text
        assert "database_url names" in text


def test_nothing_is_left_in_the_state_directory(said, place):
    for words in COMMANDS:
        assert said(f"postgresql://me:{PASSWORD}@/strongroom?host={place}", words)[0] == 69
    assert [each.name for each in place.iterdir()] == ["keyring"]
