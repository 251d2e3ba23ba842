"""Where binaries come from: the host's own artifacts, and whatever the operator listed.

Without configuration only ``artifact:sha256/<hex>`` is fetched. The address in a request is somebody else's text, so
every other scheme needs an allow list: hosts for ``https:``, directories for ``file:``. What is fetched is not believed
here; the enclave runner hashes it.
"""

import os
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from strongroom.plugin import Artifacts, CapabilityError, NotFound
from strongroom_confidential_workflows.limits import BINARY_BYTES_MAX, FETCH_TIMEOUT_S
from strongroom_confidential_workflows.request import refused

__all__ = ["BinarySource", "HttpsGet"]

_ARTIFACT: Final = re.compile(r"artifact:sha256/([0-9a-f]{64})")

HttpsGet = Callable[[str, float], bytes]
"""Fetches an https address before a deadline (monotonic seconds). Raises ``CapabilityError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinarySource:
    """All ways to a binary. ``https_get`` is absent when no host is allowed."""

    artifacts: Artifacts
    file_directories: tuple[Path, ...] = ()
    https_get: HttpsGet | None = None

    def fetch(self, untrusted_url: str, *, deadline: float) -> bytes:
        """The bytes behind ``untrusted_url``, 20 MiB at most. ``deadline`` is in monotonic seconds.

        Raises ``CapabilityError``: InvalidArgument or PermissionDenied for an address that is not allowed, NotFound,
        Unavailable.
        """
        if (match := _ARTIFACT.fullmatch(untrusted_url)) is not None:
            return self._artifact(match[1])
        scheme = urlsplit(untrusted_url).scheme
        if scheme == "file":
            return self._file(untrusted_url)
        if scheme == "https" and self.https_get is not None:
            return self.https_get(untrusted_url, min(deadline, time.monotonic() + FETCH_TIMEOUT_S))
        if scheme == "https":
            raise refused("PermissionDenied", "binary_url: no https host is listed under https_hosts of this plugin")
        raise refused(
            "InvalidArgument", "binary_url must be artifact:sha256/<64 hex digits>, or a listed https or file address"
        )

    def _artifact(self, sha256_hex: str) -> bytes:
        try:
            data = self.artifacts.fetch(sha256_hex)
        except NotFound:
            raise refused("NotFound", f"this host has no registered binary with SHA-256 {sha256_hex}") from None
        return _within_limit(data)

    def _file(self, untrusted_url: str) -> bytes:
        parts = urlsplit(untrusted_url)
        path = Path(unquote(parts.path))
        if parts.netloc not in {"", "localhost"} or parts.query or parts.fragment or not path.is_absolute():
            raise refused("InvalidArgument", "binary_url: a file address is file:///absolute/path and nothing more")
        if "\0" in str(path):
            raise refused("InvalidArgument", "binary_url holds a zero byte")
        try:
            real = path.resolve(strict=True)
        except (OSError, RuntimeError):
            real = None
        # One answer for "missing" and "elsewhere": the error must not tell what exists outside of the list.
        if real is None or not any(real.is_relative_to(directory) for directory in self.file_directories):
            raise refused(
                "PermissionDenied",
                "binary_url: no such file under file_directories of this plugin",
            )
        return _within_limit(_read_regular(real))


def _read_regular(real: Path) -> bytes:
    """The file's bytes. ``real`` holds no link when it was resolved; one that appeared since then is not followed."""
    try:
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        raise CapabilityError("Public", "System", "Unavailable", "binary_url: the file cannot be read") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise refused("InvalidArgument", "binary_url is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(BINARY_BYTES_MAX + 1)
    finally:
        os.close(descriptor)


def _within_limit(data: bytes) -> bytes:
    if len(data) > BINARY_BYTES_MAX:
        raise refused("LimitExceeded", f"binary: {len(data)} bytes or more is above the limit of {BINARY_BYTES_MAX}")
    return data
