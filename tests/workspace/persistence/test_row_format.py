"""The bytes of a row are those that docs/workspace-format.md lists, made here from the page and from nothing else."""

import hashlib
import hmac
import struct

import nacl.bindings
import pytest

from strongroom.crypto.workspace_blob import open_value
from strongroom.errors import Tampered
from strongroom.workspace.document import Document
from strongroom.workspace.persistence.sealed_log import SealedLog
from tests.fakes.sealed_logs import filled, keys_of, rows_in, values

WORKSPACE_KEY = bytes([1]) * 32


def hkdf(key, info):
    """HKDF-SHA256 with an empty salt and one block, written out."""
    extracted = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(extracted, info + b"\1", "sha256")


KEY = hkdf(WORKSPACE_KEY, b"strongroom/workspace-update-log")


def framed(*parts):
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


def associated(purpose, number):
    label = b"strongroom/workspace-update-log"
    return framed(label, b"\1", b"\1", b"alice", b"notes", purpose, struct.pack(">Q", number))


def opened_by_hand(blob, purpose, number):
    return nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
        blob[26:], associated(purpose, number), blob[2:26], KEY
    )


def test_rows_and_head_are_laid_out_as_the_page_says(tmp_path):
    path = tmp_path / "log" / "notes.db"
    filled(path, "a", "b")
    document = Document("notes")
    digests = b""
    for number, (purpose, version, data) in rows_in(path).items():
        assert data[:2] == b"\1\1"
        document.apply(opened_by_hand(data, purpose.encode(), number))
        digests += hashlib.sha256(
            framed(struct.pack(">q", number), b"update", struct.pack(">q", version), data)
        ).digest()
    log = SealedLog(path, Document("notes"), lambda: keys_of(1), "alice")
    head = opened_by_hand(log._rows.log.meta("head"), b"head", 0)
    assert head == struct.pack(">QQ", 2, 2) + hashlib.sha256(digests).digest() + b"\1"
    log.load()
    assert values(log) == [entry["val"] for entry in document.array("kv").to_py()] == ["a", "b"]
    log.close()


def test_a_row_that_is_planted_as_a_value_of_its_associated_data_does_not_open(tmp_path):
    path = tmp_path / "log" / "notes.db"
    filled(path, "a")
    (purpose, _, data) = rows_in(path)[1]
    with pytest.raises(Tampered):
        open_value(keys_of(1).key(1), data, associated(purpose.encode(), 1))
    assert opened_by_hand(data, purpose.encode(), 1), "its own key opens it there"
