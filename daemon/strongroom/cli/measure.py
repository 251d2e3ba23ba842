"""``strongroom measure``: what an enclave runner of a release must measure to, on any machine."""

from pathlib import Path
from typing import Annotated, Final

import typer

from strongroom.cli.caller import Caller
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.verbs import a_path, verb

__all__ = ["add_to"]

SVN_MAX: Final = 2**32 - 1
_Release = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Folder of wheels, or wheels; this installation if not given.", metavar="RELEASE", parser=a_path
    ),
]
_Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="File to write a reference value into.", metavar="FILE", parser=a_path),
]
_Key = Annotated[
    Path | None,
    typer.Option("--key", help="File with the private key that signs it.", metavar="KEYFILE", parser=a_path),
]
_Svn = Annotated[
    int | None,
    typer.Option("--svn", help="Security version, where the release does not say it.", min=0, max=SVN_MAX),
]
NOT_MEASURED: Final = (
    "this is the runner as a process, which proves nothing to others. An image of AWS Nitro (pcr0 to pcr2), the launch "
    "digest of SEV-SNP and the registers of TDX come from the tool that builds the image"
)


def measure(
    caller: Caller, release: _Release = None, output: _Output = None, key: _Key = None, svn: _Svn = None
) -> None:
    """Compute the measurement of an enclave runner from the wheels of a release, or from this installation.

    It is a digest over every program file, so the same release gives the same number anywhere. What is printed is an
    entry for the policy of a test vault. With --output a reference value is written, which --key signs (FILE.sig).
    It cannot measure images: EIF of AWS Nitro, launch digest of SEV-SNP, registers of TDX.
    """
    from strongroom.attest.measurement import is_measured, measurement_of
    from strongroom.attest.reference_value import ReferenceValue
    from strongroom.attest.software import KIND
    from strongroom.cli.release_files import installed_release, release_in

    if key is not None and output is None:
        raise bad_data(
            "SR-CLI-108",
            "--key signs a file",
            why="no --output was given",
            fix="add --output FILE",
            exit_code=Exit.USAGE,
        )
    found = release_in(release) if release else installed_release()
    chosen = svn if svn is not None else found.svn
    if chosen is None:
        raise bad_data("SR-CLI-109", "the release does not say its security version", fix="name it with --svn")
    measurement, count = measurement_of(found.files), sum(map(is_measured, found.files))
    build = found.build or f"strongroom-confidential-workflows {found.version}"
    value = ReferenceValue(kind=KIND, build=build, measurement=measurement, svn=chosen)
    signature = _write(value.encode(), output, key) if output is not None else None
    entry = f'[[accept.{KIND}]]\nname = "runner-{found.version}"\nmeasurement = "{measurement.hex()}"'
    comment = f"# {count} files of {', '.join(found.origins)}; {build}, svn {chosen}"
    document = {
        "kind": KIND,
        "measurement": measurement.hex(),
        "svn": chosen,
        "build": build,
        "version": found.version,
        "files": count,
        "origins": list(found.origins),
        "policy_entry": entry,
        "file": str(output) if output is not None else None,
        "signature_file": str(signature) if signature is not None else None,
    }
    caller.emit("measurement", document, f"{comment}\n{entry}")
    if output is not None:
        caller.note(f"{output} written" + (f", signed in {signature}" if signature is not None else ", not signed"))
    caller.note(NOT_MEASURED)


def _write(encoded: bytes, output: Path, key: Path | None) -> Path | None:
    """Write the reference value, and its signature beside it. The key is read before anything is written."""
    from strongroom.attest.reference_value import sign_reference
    from strongroom.cli.new_file import new_file
    from strongroom.cli.policy_files import signing_key, write_signature

    signature = sign_reference(encoded, signing_key(key)) if key is not None else None
    with new_file(output) as write:
        write(encoded)
    return write_signature(output, signature)[0] if signature is not None else None


def add_to(app: typer.Typer) -> None:
    """Add the command to the root."""
    verb(app, "measure", example="strongroom measure dist --output runner.json --key release.key", online=False)(
        measure
    )
