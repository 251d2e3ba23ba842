"""The file of a backup: a tar that every tar can list, and of which not one bit may differ from what we write.

The manifest comes first, then its parts in their order. Whoever reads makes each header anew from what the manifest
says and compares the bytes, so nothing in a header is ever believed: no name, no size, no link, no kind of member.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from strongroom.backup.faults import cut, damaged, not_a_backup
from strongroom.backup.manifest import MANIFEST_BYTES_MAX, Manifest, Part

__all__ = ["MANIFEST_NAME", "beginning", "check_size", "end", "manifest_bytes", "padding", "read_part"]

MANIFEST_NAME: Final = "manifest.json"
BLOCK: Final = 512
READ_BYTES: Final = 1 << 20
OCTAL_MAX: Final = 8**11
END: Final = b"\0" * (2 * BLOCK)
_SIZE: Final = slice(124, 136)
OCTAL_DIGITS: Final = frozenset(b"01234567")

Sink = Callable[[bytes], object]


def beginning(name: str, size: int) -> bytes:
    """The header of a member, as GNU tar writes it: a file, mode 0600, of nobody, made at no time.

    Written here, since the library for it costs a start of the host a tenth of its time.
    """
    # Beyond eight gigabytes the size is binary, marked by its first bit.
    sized = b"%011o\0" % size if size < OCTAL_MAX else bytes([0x80]) + size.to_bytes(11, "big")
    before = name.encode().ljust(100, b"\0") + b"0000600\0" + 2 * b"0000000\0" + sized + b"00000000000\0"
    behind = b"0" + bytes(100) + b"ustar  \0"
    header = (before + 8 * b" " + behind).ljust(BLOCK, b"\0")
    return before + b"%06o\0 " % sum(header) + header[len(before) + 8 :]


def padding(size: int) -> bytes:
    """What fills the last block of a member."""
    return b"\0" * (-size % BLOCK)


def end() -> bytes:
    """What stands behind the last member."""
    return END


def manifest_bytes(file: BinaryIO) -> bytes:
    """The bytes of the manifest, of which nothing is authentic yet. Raises ``InvalidInput``."""
    header = file.read(BLOCK)
    digits = header[_SIZE].rstrip(b"\0 ")
    if len(header) < BLOCK or not digits or not set(digits) <= OCTAL_DIGITS:
        raise not_a_backup("it does not begin with a manifest")
    size = int(digits, 8)
    if size > MANIFEST_BYTES_MAX or header != beginning(MANIFEST_NAME, size):
        raise not_a_backup("it does not begin with a manifest")
    content = file.read(size)
    if len(content) < size or file.read(len(padding(size))) != padding(size):
        raise not_a_backup("its manifest is cut off")
    return content


def check_size(manifest: Manifest, manifest_size: int, file_size: int) -> None:
    """Raise ``InvalidInput`` unless the file is exactly as long as it has to be: before anything of it is read."""
    members = [manifest_size, *(part.bytes for part in manifest.parts)]
    wanted = sum(BLOCK + size + len(padding(size)) for size in members) + len(END)
    if file_size != wanted:
        raise cut(f"it has {file_size} bytes, {wanted} were written")


def read_part(file: BinaryIO, part: Part) -> Iterator[bytes]:
    """The bytes of the next member, which is to be ``part``. Raises ``InvalidInput``, behind the last of them where its
    digest is another one."""
    header = beginning(part.name, part.bytes)
    if file.read(len(header)) != header:
        raise damaged("SR-BACKUP-006", "the backup was changed", f"the header of its part {part.name} is another one")
    digest, left = hashlib.sha256(), part.bytes
    while left:
        piece = file.read(min(READ_BYTES, left))
        if not piece:
            raise cut(f"its part {part.name} ends {left} bytes too early")
        left -= len(piece)
        digest.update(piece)
        yield piece
    if digest.hexdigest() != part.sha256:
        raise damaged("SR-BACKUP-007", "the backup was changed", f"its part {part.name} has another digest")
    if file.read(len(padding(part.bytes))) != padding(part.bytes):
        raise damaged("SR-BACKUP-006", "the backup was changed", f"what stands behind its part {part.name} is no nulls")
