"""Options that the commands about evidence, policies and receipts share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from strongroom.cli.verbs import a_path

__all__ = ["Authority", "EnclaveConfigs", "PolicyFile", "PolicyKey"]

PolicyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--policy", help="Appraise it under this policy too.", metavar="FILE", parser=a_path),
]
PolicyKey: TypeAlias = Annotated[
    str,
    typer.Option("--policy-key", help="Public key that must have signed the policy: a file, or 64 hex digits."),
]
Authority: TypeAlias = Annotated[
    Path | None,
    typer.Option("--development-ca", help="Certificate that a simulation must end in.", metavar="FILE", parser=a_path),
]
EnclaveConfigs: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--enclave-config",
        help="Configuration of an enclave that is good, where the policy names none. May be repeated.",
        metavar="FILE",
        parser=a_path,
    ),
]
