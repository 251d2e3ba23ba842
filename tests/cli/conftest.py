"""Every test of the command line has its own host, and an environment in which nothing else is set."""

import os

import pytest

from tests.fakes.daemon import running


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith(("STRONGROOM_", "XDG_", "DEMO_", "_STRONGROOM")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE_DIR", str(tmp_path))
    with running(tmp_path / "strongroom.sock") as daemon:
        yield daemon


@pytest.fixture
def wasm(tmp_path):
    path = tmp_path / "hello.wasm"
    path.write_bytes(b"\0asm\1\0\0\0")
    return path


@pytest.fixture
def known(host, tmp_path):
    """The key of the host's vault, where a development host keeps it."""
    path = tmp_path / "keys" / "vault.pub"
    path.parent.mkdir()
    path.write_text(host.vault_signing.public.hex() + "\n")
    return path
