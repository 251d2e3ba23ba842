"""``strongroom policy``: test, compare and sign policies of a vault; offline, without a host.

What does the work is imported by the command that was named: reading a policy costs more than the command line itself.
"""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.at_time import At
from strongroom.cli.attest_options import Authority, EnclaveConfigs
from strongroom.cli.caller import Caller
from strongroom.cli.verbs import a_path, group, verb

__all__ = ["app"]

_Policy = Annotated[Path, typer.Argument(help="The policy, TOML.", metavar="POLICY", parser=a_path)]
_Key = Annotated[str, typer.Option("--key", help="Public key that must have signed it: a file, or 64 hex digits.")]
_Evidence = Annotated[
    Path | None,
    typer.Option("--evidence", help="File or folder of evidence to run it over.", metavar="DIR", parser=a_path),
]
_References = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference",
        help="Reference value that the policy should accept. May be repeated.",
        metavar="FILE",
        parser=a_path,
    ),
]
_ReferenceKey = Annotated[
    str,
    typer.Option("--reference-key", help="Public key that must have signed those; that of --key if not given."),
]
_Old = Annotated[Path, typer.Argument(help="The policy in force.", metavar="OLD", parser=a_path)]
_New = Annotated[Path, typer.Argument(help="The one that is to follow.", metavar="NEW", parser=a_path)]
_NewKey = Annotated[Path, typer.Argument(help="File to make.", metavar="FILE", parser=a_path)]
_SigningKey = Annotated[
    Path, typer.Option("--key", help="File with the private key.", metavar="KEYFILE", parser=a_path)
]

app = group("Test, compare and sign policies of a vault; offline.")


@verb(app, "test", example="strongroom policy test policy.toml --key policy.key.pub --evidence samples", online=False)
def tried(
    caller: Caller,
    policy: _Policy,
    key: _Key = "",
    evidence: _Evidence = None,
    references: _References = None,
    reference_key: _ReferenceKey = "",
    development_ca: Authority = None,
    enclave_configs: EnclaveConfigs = None,
    at: At = "",
) -> int | None:
    """Read a policy as a vault would, with its signature, and say what it accepts and what seems forgotten in it.

    With --evidence every piece in that folder is verified and appraised, and with --reference it is seen whether the
    policy accepts a release; the exit code is 1 when one is refused. A policy that does not hold ends with 78. Evidence
    that is bound to nothing counts as accepted here when nothing speaks against it; a vault would want it bound.
    """
    from strongroom.cli.policy_run import try_policy

    compared_with = (development_ca, enclave_configs or ())
    values = (references or (), reference_key or key)
    return try_policy(caller, policy, key, evidence, values, compared_with, at)


@verb(app, "diff", example="strongroom policy diff policy.toml next.toml", online=False)
def diff(caller: Caller, old: _Old, new: _New, key: _Key = "") -> int | None:
    """Show what NEW accepts that OLD refuses, and the other way round, line by line.

    The exit code is 1 when something is newly accepted, and 0 when NEW is at least as strict. With --key both must be
    signed by that key.
    """
    from strongroom.cli.policy_run import compare_policies

    return compare_policies(caller, old, new, key)


@verb(app, "sign", example="strongroom policy sign policy.toml --key policy.key", online=False)
def sign(caller: Caller, policy: _Policy, key: _SigningKey) -> None:
    """Sign a policy: 64 bytes go into a file beside it, policy.toml.sig. A file that is no policy is not signed.

    The signature of an earlier version of the file is replaced.
    """
    from strongroom.cli.policy_run import sign_file

    sign_file(caller, policy, key)


@verb(app, "new-key", example="strongroom policy new-key policy.key", online=False)
def new_key(caller: Caller, file: _NewKey) -> None:
    """Make a key that signs policies and reference values: FILE with the private half, FILE.pub with the public one.

    Only you may read FILE. Keep it where the vault and its host are not: whoever has it says what the vault accepts.
    """
    from strongroom.cli.policy_files import new_signing_key

    key, beside = new_signing_key(file)
    found = {"file": str(file), "public_key_file": str(beside), "public_key": key.public.hex()}
    caller.emit("policy-key", found, f"{file}\n{beside}")
    caller.note(f"the vault pins its public half: {key.public.hex()}")
