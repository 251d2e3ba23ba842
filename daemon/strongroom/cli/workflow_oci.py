"""Workflows from registries and into them: ``oci://`` in the place of a file, ``workflow push``, ``workflow pull``."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli import oci, oci_reference
from strongroom.cli.caller import Caller, facts, read_file
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.new_file import new_file
from strongroom.cli.verbs import a_path, verb
from strongroom.settings.layers import load

__all__ = ["BINARY_BYTES_MAX", "LoginStdin", "Source", "add_to", "source_of"]

# As much as the host takes of an uncompressed module.
BINARY_BYTES_MAX: Final = 100_000_000
LOGIN_BYTES_MAX: Final = 8_000

LoginStdin = Annotated[
    bool, typer.Option("--login-stdin", help="Read USER:PASSWORD for the registry of oci:// from stdin.")
]
_Artifact = Annotated[str, typer.Argument(help="Where: oci://HOST/REPOSITORY:TAG.", metavar="OCI")]
_PulledArtifact = Annotated[
    str, typer.Argument(help="What: oci://HOST/REPOSITORY[:TAG|@sha256:DIGEST].", metavar="OCI")
]
_Input = Annotated[
    Path, typer.Argument(help="Wasm file: raw, brotli, or base64 of brotli.", metavar="FILE", parser=a_path)
]
_Output = Annotated[Path, typer.Argument(help="The new file.", metavar="FILE", parser=a_path)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A binary as it was given: ``name`` is what it is called there; ``place`` is where in a registry, or empty."""

    binary: bytes
    name: str
    place: str = ""


def source_of(caller: Caller, named: str, *, login_stdin: bool) -> Source:
    """What ``named`` names, a file or ``oci://``. Raises ``Failure``."""
    if not named.startswith(oci_reference.SCHEME):
        if login_stdin:
            raise bad_data(
                "SR-OCI-016",
                "there is no registry to log in to",
                why=f"{named} is a file",
                fix="leave --login-stdin out, or name an artifact: oci://…",
                exit_code=Exit.USAGE,
            )
        path = a_path(named)
        return Source(binary=read_file("FILE", path, bytes_max=BINARY_BYTES_MAX), name=path.name.split(".")[0])
    found = _pulled(caller, named, login_stdin=login_stdin)
    return Source(binary=found.wasm, name=found.reference.name, place=str(found.reference))


def _pulled(caller: Caller, named: str, *, login_stdin: bool) -> oci.Artifact:
    reference = oci_reference.parse(named)
    settings = load("client", {}, Path.cwd(), os.environ).settings
    login = _login(caller) if login_stdin else b""
    found = oci.pull(reference, bytes_max=min(BINARY_BYTES_MAX, settings.limits.binary_bytes_max), login=login)
    if not reference.digest:
        caller.note(f"{reference} is {found.reference} today")
    return found


def _login(caller: Caller) -> bytes:
    login = caller.read_stdin("--login-stdin", bytes_max=LOGIN_BYTES_MAX).strip(b"\r\n")
    user, colon, password = login.partition(b":")
    if not (user and colon and password):
        raise bad_data("SR-OCI-017", "the login on stdin is not USER:PASSWORD", fix="write both, with a colon between")
    return login


def pull(caller: Caller, artifact: _PulledArtifact, file: _Output, login_stdin: LoginStdin = False) -> None:
    """Fetch a workflow from a registry into a new file. Every byte is checked against the digest.

    A tag may mean another artifact tomorrow; the digest that is printed always means this one. The login is that of
    docker's configuration, unless it is given on stdin.
    """
    found = _pulled(caller, artifact, login_stdin=login_stdin)
    with new_file(file, "FILE") as write:
        write(found.wasm)
    caller.emit("workflow-pulled", _document(found, file), facts([("source", found.reference), ("file", file)]))


def push(caller: Caller, file: _Input, artifact: _Artifact, login_stdin: LoginStdin = False) -> None:
    """Put a workflow into a registry, as one layer `application/wasm`. The same module gives the same digest.

    A tag that is there is moved. The login is that of docker's configuration, unless it is given on stdin.
    """
    from strongroom.guest.binary import decode_upload
    from strongroom.guest.limits import GuestLimits

    reference = oci_reference.parse(artifact)
    if reference.digest:
        raise bad_data(
            "SR-OCI-018", "a digest cannot be chosen", fix="push to a tag: the digest is printed", exit_code=Exit.USAGE
        )
    wasm = decode_upload(read_file("FILE", file, bytes_max=BINARY_BYTES_MAX), GuestLimits()).wasm()
    pushed = oci.push(reference, wasm, login=_login(caller) if login_stdin else b"")
    caller.emit(
        "workflow-pushed",
        {**_document(pushed, file), "tag": reference.tag},
        facts([("pushed", reference), ("digest", pushed.reference)]),
    )


def _document(artifact: oci.Artifact, file: Path) -> dict[str, str | int]:
    return {
        "source": str(artifact.reference),
        "digest": artifact.reference.digest,
        "layer_digest": artifact.layer_digest,
        "bytes": len(artifact.wasm),
        "file": str(file),
    }


def add_to(app: typer.Typer) -> None:
    """Add the verbs ``push`` and ``pull``."""
    place = "oci://registry.example/team/hello:1.0.0"
    verb(app, "push", example=f"strongroom workflow push hello.wasm {place}", online=False)(push)
    verb(app, "pull", example=f"strongroom workflow pull {place} hello.wasm", online=False)(pull)
