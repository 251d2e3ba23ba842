"""Binaries come from the host's artifacts and from what the operator listed, and from nowhere else."""

import os
import time

import pytest

from strongroom.plugin import CapabilityError
from strongroom_confidential_workflows.limits import BINARY_BYTES_MAX
from strongroom_confidential_workflows.sources import BinarySource
from tests.fakes.enclave_host import MemoryArtifacts

FAR = time.monotonic() + 3600


@pytest.fixture
def allowed(tmp_path):
    directory = tmp_path / "allowed"
    directory.mkdir()
    (directory / "a.wasm").write_bytes(b"binary")
    (tmp_path / "secret.txt").write_bytes(b"not yours")
    return directory


def refusal(source, url):
    with pytest.raises(CapabilityError) as caught:
        source.fetch(url, deadline=FAR)
    return caught.value.name, caught.value.message


def test_an_artifact_comes_from_the_host():
    artifacts = MemoryArtifacts()
    digest = artifacts.add(b"binary")
    source = BinarySource(artifacts=artifacts)
    assert source.fetch(f"artifact:sha256/{digest}", deadline=FAR) == b"binary"
    assert refusal(source, f"artifact:sha256/{'00' * 32}")[0] == "NotFound"


def test_an_artifact_has_20_mib_and_no_more():
    artifacts = MemoryArtifacts()
    fits, too_big = artifacts.add(bytes(BINARY_BYTES_MAX)), artifacts.add(bytes(BINARY_BYTES_MAX + 1))
    source = BinarySource(artifacts=artifacts)
    assert len(source.fetch(f"artifact:sha256/{fits}", deadline=FAR)) == BINARY_BYTES_MAX
    name, message = refusal(source, f"artifact:sha256/{too_big}")
    assert name == "LimitExceeded"
    assert str(BINARY_BYTES_MAX) in message


@pytest.mark.parametrize(
    "url",
    [
        "artifact:sha256/abcd",
        "artifact:sha256/" + "AB" * 32,
        "artifact:sha512/" + "ab" * 32,
        "artifact:sha256/" + "ab" * 32 + "?x",
        "http://example.com/a.wasm",
        "ftp://example.com/a",
        "data:application/wasm;base64,AAAA",
        "/etc/passwd",
        "//example.com/x",
        "FILE:/etc/passwd/..",
    ],
)
def test_an_address_of_another_kind_is_refused(url):
    assert refusal(BinarySource(artifacts=MemoryArtifacts()), url)[0] in {"InvalidArgument", "PermissionDenied"}


def test_without_configuration_neither_files_nor_https_are_fetched(allowed):
    source = BinarySource(artifacts=MemoryArtifacts())
    assert refusal(source, f"file://{allowed}/a.wasm")[0] == "PermissionDenied"
    assert refusal(source, "https://example.com/a.wasm") == (
        "PermissionDenied",
        "binary_url: no https host is listed under https_hosts of this plugin",
    )


def test_a_file_is_read_below_a_listed_directory(allowed):
    source = BinarySource(artifacts=MemoryArtifacts(), file_directories=(allowed,))
    (allowed / "with space.wasm").write_bytes(b"spaced")
    assert source.fetch(f"file://{allowed}/a.wasm", deadline=FAR) == b"binary"
    assert source.fetch(f"file://localhost{allowed}/a.wasm", deadline=FAR) == b"binary"
    assert source.fetch(f"file://{allowed}/with%20space.wasm", deadline=FAR) == b"spaced"
    (allowed / "link-inside").symlink_to(allowed / "a.wasm")
    assert source.fetch(f"file://{allowed}/link-inside", deadline=FAR) == b"binary"


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "%2e%2e/secret.txt", "link-out", "directory-out/secret.txt", "missing", "../allowed-twin/a.wasm"],
)
def test_a_file_elsewhere_is_refused_in_the_same_words_as_a_missing_one(allowed, path):
    (allowed / "link-out").symlink_to(allowed.parent / "secret.txt")
    (allowed / "directory-out").symlink_to(allowed.parent)
    twin = allowed.parent / "allowed-twin"
    twin.mkdir()
    (twin / "a.wasm").write_bytes(b"near by")
    source = BinarySource(artifacts=MemoryArtifacts(), file_directories=(allowed,))
    assert refusal(source, f"file://{allowed}/{path}") == (
        "PermissionDenied",
        "binary_url: no such file under file_directories of this plugin",
    )


@pytest.mark.parametrize("url", ["file://other{}/a.wasm", "file:a.wasm", "file://{}/a.wasm?x=1", "file://{}/a.wasm#f"])
def test_a_file_address_is_an_absolute_path_and_nothing_more(allowed, url):
    source = BinarySource(artifacts=MemoryArtifacts(), file_directories=(allowed,))
    assert refusal(source, url.format(allowed))[0] == "InvalidArgument"


def test_a_file_address_with_a_zero_byte_is_refused(allowed):
    source = BinarySource(artifacts=MemoryArtifacts(), file_directories=(allowed,))
    assert refusal(source, f"file://{allowed}/a%00b")[0] == "InvalidArgument"


def test_a_pipe_or_directory_is_not_a_binary(allowed):
    os.mkfifo(allowed / "pipe")
    (allowed / "folder").mkdir()
    source = BinarySource(artifacts=MemoryArtifacts(), file_directories=(allowed,))
    for name in ("pipe", "folder"):
        assert refusal(source, f"file://{allowed}/{name}") == ("InvalidArgument", "binary_url is not a regular file")


def test_a_file_has_20_mib_and_no_more(allowed):
    (allowed / "big").write_bytes(bytes(BINARY_BYTES_MAX + 1))
    source = BinarySource(artifacts=MemoryArtifacts(), file_directories=(allowed,))
    assert refusal(source, f"file://{allowed}/big")[0] == "LimitExceeded"
