"""``strongroom attest``: whether evidence is authentic, and what a policy says of it; offline, without a host."""

from pathlib import Path
from typing import Annotated

import typer

from strongroom.cli.at_time import At
from strongroom.cli.attest_options import Authority, EnclaveConfigs, PolicyFile, PolicyKey
from strongroom.cli.caller import Caller
from strongroom.cli.verbs import a_path, group, verb

__all__ = ["app"]

_Evidence = Annotated[
    Path,
    typer.Argument(help="File with evidence, or a folder of them.", metavar="EVIDENCE", parser=a_path),
]
_Kind = Annotated[str, typer.Option("--kind", help="Kind of the evidence, if its content does not tell.")]
_Endorsements = Annotated[
    list[Path] | None,
    typer.Option(
        "--endorsement",
        help="Certificates or collateral that go with it; else looked for beside it. May be repeated.",
        metavar="FILE",
        parser=a_path,
    ),
]
_Parts = Annotated[
    list[Path] | None,
    typer.Option(
        "--part",
        help="Another part of the same evidence, such as a quote's signature or key. May be repeated.",
        metavar="FILE",
        parser=a_path,
    ),
]
_Data = Annotated[
    Path | None,
    typer.Option("--runtime-data", help="Runtime data that it must be bound to.", metavar="FILE", parser=a_path),
]
app = group("Verify evidence of enclaves, and see why it is refused; offline.")


@verb(app, "verify", example="strongroom attest verify report.bin --policy policy.toml", online=False)
def verify(
    caller: Caller,
    evidence: _Evidence,
    kind: _Kind = "",
    endorsements: _Endorsements = None,
    parts: _Parts = None,
    data: _Data = None,
    policy: PolicyFile = None,
    policy_key: PolicyKey = "",
    development_ca: Authority = None,
    enclave_configs: EnclaveConfigs = None,
    at: At = "",
) -> int | None:
    """Verify that evidence is authentic, and under a policy that it is affirming. The exit code is 1 when it is not.

    The kind is taken from the content. Evidence of others is bound to nothing of ours: then it says "binding: not
    checked", and is never affirming. Nothing is fetched; the time is now unless --at names another.
    """
    from strongroom.cli.attest_run import run

    given = (kind, endorsements, parts, data)
    rules = (policy, policy_key, development_ca, enclave_configs)
    return run(caller, evidence, given, rules, at, explained=False)


@verb(app, "explain", example="strongroom attest explain report.bin --policy policy.toml", online=False)
def explain(
    caller: Caller,
    evidence: _Evidence,
    kind: _Kind = "",
    endorsements: _Endorsements = None,
    parts: _Parts = None,
    data: _Data = None,
    policy: PolicyFile = None,
    policy_key: PolicyKey = "",
    development_ca: Authority = None,
    enclave_configs: EnclaveConfigs = None,
    at: At = "",
) -> int | None:
    """As verify, and print every check with what was found, what was wanted and the line of the policy.

    What authentic evidence says is printed as well. The exit code is that of verify.
    """
    from strongroom.cli.attest_run import run

    given = (kind, endorsements, parts, data)
    rules = (policy, policy_key, development_ca, enclave_configs)
    return run(caller, evidence, given, rules, at, explained=True)
