"""Devices that attest, without the hardware: each does what Linux does with a request, and signs with a test PKI.

They read and write through the addresses that a request holds, as the kernel does, and take the structures apart here,
not with our own code. Source: Linux, include/uapi/linux/nsm.h and sev-guest.h, Documentation/ABI/testing/configfs-tsm.
"""

import ctypes
import errno
import os
import struct
import threading
from pathlib import Path

import cbor2

from tests.fakes import pki_nitro, pki_snp

GUIDS = {
    "vcek": bytes.fromhex("63da758de6644564adc5f4b93be8accd"),
    "vlek": bytes.fromhex("a8074bc2a25a483eaae639c045a0b8a1"),
    "ask": bytes.fromhex("4ab7b379bbac4fe4a02f05aef327c782"),
    "ark": bytes.fromhex("c0b406a4a803495297433fb6014cd0ae"),
}
NSM_EXCHANGE = (3 << 30) | (32 << 16) | (0x0A << 8) | 0
SNP_EXTENDED_REPORT = (3 << 30) | (32 << 16) | (ord("S") << 8) | 2


def device_at(path):
    """Something that opens as a character device."""
    path.symlink_to("/dev/null")
    return path


def nsm(answer=None, *, says_bytes=None):
    """The Nitro Secure Module's ``ioctl``. ``answer`` stands in for the true one."""

    def ioctl(_descriptor, number, raw):
        assert number == NSM_EXCHANGE
        asked_at, asked_bytes, answer_at, room = struct.unpack("=QQQQ", raw)
        asked = cbor2.loads(ctypes.string_at(asked_at, asked_bytes))
        made = answer
        if made is None:
            document = pki_nitro.document(**asked["Attestation"]).body
            made = cbor2.dumps({"Attestation": {"document": document}})
        assert len(made) <= room
        ctypes.memmove(answer_at, made, len(made))
        size = len(made) if says_bytes is None else says_bytes
        raw[:] = struct.pack("=QQQQ", asked_at, asked_bytes, answer_at, size)
        return 0

    return ioctl


def sev_guest(*, table=b"", status=0, size=1184):
    """The ``ioctl`` of ``/dev/sev-guest``. ``table`` are the host's certificates."""

    def ioctl(_descriptor, number, raw):
        assert number == SNP_EXTENDED_REPORT
        version, asked_at, answer_at, _ = struct.unpack("=B7xQQQ", raw)
        assert version == 1
        user_data, vmpl, table_at, room = struct.unpack("=64sI28xQI4x", ctypes.string_at(asked_at, 112))
        assert (vmpl, room % 4096) == (0, 0)
        report = pki_snp.made(report_data=user_data).body
        ctypes.memmove(answer_at, struct.pack("=II24x", status, size) + report, 32 + len(report))
        ctypes.memmove(table_at, table, len(table))
        return 0

    return ioctl


def refusing(_descriptor, _number, _raw):
    """An ``ioctl`` that fails."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def certificate_table(**certificates):
    """The host's table of certificates, by the names of ``GUIDS``."""
    head_bytes = 24 * (len(certificates) + 1)
    head, content = b"", b""
    for name, der in certificates.items():
        head += GUIDS[name] + struct.pack("<II", head_bytes + len(content), len(der))
        content += der
    return head + bytes(24) + content


class ReportTree:
    """A report file system below ``root``: a directory that is made in it is an entry with files.

    What was written to ``inblob`` is answered when that file is closed, as in the kernel. ``answer`` makes the report
    from it. ``without`` are files that this kernel does not have.
    """

    def __init__(self, root, monkeypatch, *, driver, answer, table=b"", without=()):
        self.root = root
        self.driver = driver
        self.answer = answer
        self.table = table
        self.without = without
        make, remove = Path.mkdir, os.rmdir
        root.mkdir()

        def mkdir(path, *arguments, **options):
            make(path, *arguments, **options)
            if path.parent == root:
                self._fill(path)

        def rmdir(path, *, dir_fd=None):
            """The files of an entry go with it."""
            if dir_fd is not None and (root / path).is_dir():
                for file in (root / path).iterdir():
                    file.unlink()
            remove(path, dir_fd=dir_fd)

        monkeypatch.setattr(Path, "mkdir", mkdir)
        monkeypatch.setattr(os, "rmdir", rmdir)

    def _fill(self, entry):
        files = {"provider": f"{self.driver}\n".encode(), "auxblob": self.table}
        for name, content in files.items():
            if name not in self.without:
                (entry / name).write_bytes(content)
        pipes = [entry / name for name in ("inblob", "outblob") if name not in self.without]
        for pipe in pipes:
            os.mkfifo(pipe)
        if len(pipes) == 2:
            threading.Thread(target=self._serve, args=pipes, daemon=True).start()

    def _serve(self, inblob, outblob):
        with inblob.open("rb") as asked, outblob.open("wb") as answered:
            data = asked.read()
            if data:
                answered.write(self.answer(data))
