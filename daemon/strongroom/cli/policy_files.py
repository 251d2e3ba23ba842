"""Policies, their signatures and keys, as files: a policy's signature stands beside it, ``policy.toml.sig``.

A signature is 64 raw bytes. A public key is 64 hex digits; a private one is a line that says so, in a file of mode
0600.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from strongroom.attest.policy import POLICY_BYTES_MAX, Policy, open_policy, parse_policy
from strongroom.cli.caller import Caller, read_file
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.crypto.key_files import read_private_file
from strongroom.crypto.key_text import PUBLIC_KEY_BYTES_MAX, is_private, public_key_in
from strongroom.crypto.signing import SIGNATURE_BYTES, SigningKey
from strongroom.errors import InvalidInput

__all__ = [
    "OpenedPolicy",
    "new_signing_key",
    "public_key",
    "read_policy",
    "signature_of",
    "signing_key",
    "write_signature",
]

KEY_TEXT_BYTES_MAX: Final = 256
_HEX: Final = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class OpenedPolicy:
    """A policy, and whether somebody said whose signature it must have; then it has that signature."""

    policy: Policy
    is_signature_checked: bool

    def note(self, caller: Caller) -> None:
        """Tell the person what was not looked at."""
        if not self.is_signature_checked:
            caller.note(
                f"the signature of {self.policy.file} was not checked: name the public key that must have made it"
            )


def read_policy(path: Path, key: str) -> OpenedPolicy:
    """The policy at ``path``; with ``key``, a public key or a file with one, it must be signed by that.

    Raises ``Failure`` for files that cannot be read, and ``Misconfigured`` for a policy that does not hold.
    """
    raw = read_file("the policy", path, bytes_max=POLICY_BYTES_MAX)
    if not key:
        return OpenedPolicy(parse_policy(raw, file=path.name), is_signature_checked=False)
    signature = signature_of(path)
    policy = open_policy(raw, signature, public=public_key("--policy-key", key), file=path.name)
    return OpenedPolicy(policy, is_signature_checked=True)


def signature_of(path: Path) -> bytes:
    """The signature beside a file. One that is not there is empty, and so no signature."""
    beside = path.with_name(f"{path.name}.sig")
    return read_file("the signature", beside, bytes_max=KEY_TEXT_BYTES_MAX) if beside.exists() else b""


def public_key(option: str, key: str) -> bytes:
    """The raw public key that ``key`` is, or that the file ``key`` holds. Raises ``Failure``."""
    # What is a private key itself is no path: that would be repeated.
    is_key = _HEX.fullmatch(key) or is_private(key)
    text = key if is_key else _text(read_file(option, Path(key), bytes_max=PUBLIC_KEY_BYTES_MAX))
    try:
        return public_key_in(text)
    except InvalidInput as error:
        raise bad_data("SR-CLI-096", f"{option} is no public key", why=error.why, fix=error.fix) from None


def signing_key(path: Path) -> SigningKey:
    """The private key in the file at ``path``, which nobody else may read. Raises ``Failure``, ``Misconfigured``."""
    try:
        raw = read_private_file(path, bytes_max=KEY_TEXT_BYTES_MAX, code="SR-CLI-097", what="signing key")
    except FileNotFoundError:
        raise bad_data(
            "SR-CLI-098",
            f"there is no signing key at {path}",
            fix="make one with `strongroom policy new-key FILE`",
        ) from None
    key = SigningKey.from_text(_text(raw))
    if key is None:
        # Nothing of the file is repeated: it may be another secret.
        is_public = _HEX.fullmatch(_text(raw)) is not None
        raise bad_data(
            "SR-CLI-099",
            f"{path} holds no signing key",
            why="it is a public key" if is_public else "it is not the line that says that it is one",
            fix="give the private file, which `strongroom policy new-key` or `vault owner-key` made",
        )
    return key


def new_signing_key(path: Path) -> tuple[SigningKey, Path]:
    """A fresh key in the new file at ``path``, and its public half in another beside it. Raises ``Failure``."""
    beside = path.with_name(f"{path.name}.pub")
    for each in (path, beside):
        if os.path.lexists(each):
            raise _is_there(each)
    key = SigningKey.generate()
    try:
        key.save(path)
        with beside.open("x") as file:
            file.write(f"{key.public.hex()}\n")
    except FileExistsError as error:
        raise _is_there(Path(error.filename)) from None
    return key, beside


def write_signature(path: Path, signature: bytes) -> tuple[Path, bool]:
    """Put a signature beside the file that it is of. Returns where, and whether it replaced an older one.

    It appears whole or not at all; a signature that a file had before is of no use once that file has changed.
    """
    assert len(signature) == SIGNATURE_BYTES  # noqa: S101 - a fault of ours, not of a caller
    beside = path.with_name(f"{path.name}.sig")
    is_replaced = beside.exists()
    temporary = beside.with_name(f".{beside.name}.{os.getpid()}")
    try:
        temporary.write_bytes(signature)
        temporary.replace(beside)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return beside, is_replaced


def _is_there(path: Path) -> Exception:
    return bad_data(
        "SR-CLI-100",
        f"{path} is there already",
        why="a key is never written over",
        fix="give a name that is free",
        exit_code=Exit.CANNOT_CREATE,
    )


def _text(raw: bytes) -> str:
    return raw.decode("ascii", "replace").strip()
