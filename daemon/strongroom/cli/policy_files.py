"""Policies, their signatures and keys, as files: a policy's signature stands beside it, ``policy.toml.sig``.

A signature is 64 raw bytes. A public key is 64 hex digits, and so is the seed of a private one, in a file of mode 0600.
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
from strongroom.crypto.key_files import read_private_file, write_private_file
from strongroom.crypto.signing import SIGNATURE_BYTES, SigningKey

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
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_KEY_FORM: Final = "64 hex digits (0-9, a-f), which are an Ed25519 key of 32 bytes"


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
    text = key if _HEX.fullmatch(key) else _text(read_file(option, Path(key), bytes_max=KEY_TEXT_BYTES_MAX))
    if not _HEX.fullmatch(text):
        raise bad_data(
            "SR-CLI-096", f"{option} is no public key", why=f"it is not {_KEY_FORM}", fix="give the .pub file"
        )
    return bytes.fromhex(text)


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
    text = _text(raw)
    if not _HEX.fullmatch(text):
        # Nothing of the file is repeated: it may be another secret.
        raise bad_data(
            "SR-CLI-099", f"{path} holds no signing key", why=f"it is not {_KEY_FORM}", fix="give the key's file"
        )
    return SigningKey.from_raw(bytes.fromhex(text))


def new_signing_key(path: Path) -> tuple[SigningKey, Path]:
    """A fresh key in the new file at ``path``, and its public half in another beside it. Raises ``Failure``."""
    beside = path.with_name(f"{path.name}.pub")
    for each in (path, beside):
        if os.path.lexists(each):
            raise _is_there(each)
    seed = os.urandom(32)
    key = SigningKey.from_raw(seed)
    try:
        write_private_file(path, f"{seed.hex()}\n".encode())
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
