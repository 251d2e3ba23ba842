"""``strongroom attest``: whether evidence is authentic, and what a policy says of it; offline, without a host."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from strongroom.attest.assurance import KINDS
from strongroom.cli.at_time import At, time_of
from strongroom.cli.attest_verdict import Verdict, development_anchor, enclave_digests, judged
from strongroom.cli.attest_view import document, lines, rfc3339
from strongroom.cli.caller import Caller
from strongroom.cli.evidence_files import Wanted, open_evidence
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.policy_files import OpenedPolicy, read_policy
from strongroom.cli.verbs import a_path, group, verb

__all__ = ["Authority", "EnclaveConfigs", "Kind", "PolicyFile", "PolicyKey", "app", "chosen_policy"]

_Evidence = Annotated[
    Path,
    typer.Argument(help="File with evidence, or a folder of them.", metavar="EVIDENCE", parser=a_path),
]
Kind: TypeAlias = Annotated[str, typer.Option("--kind", help="Kind of the evidence, if its content does not tell.")]
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
PolicyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--policy", help="Appraise it under this policy too.", metavar="FILE", parser=a_path),
]
PolicyKey: TypeAlias = Annotated[
    str, typer.Option("--policy-key", help="Public key that must have signed the policy: a file, or 64 hex digits.")
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

app = group("Verify evidence of enclaves, and see why it is refused; offline.")


@verb(app, "verify", example="strongroom attest verify report.bin --policy policy.toml", online=False)
def verify(
    caller: Caller,
    evidence: _Evidence,
    kind: Kind = "",
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
    given = (kind, endorsements, parts, data)
    rules = (policy, policy_key, development_ca, enclave_configs)
    return _run(caller, evidence, given, rules, at, explained=False)


@verb(app, "explain", example="strongroom attest explain report.bin --policy policy.toml", online=False)
def explain(
    caller: Caller,
    evidence: _Evidence,
    kind: Kind = "",
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
    given = (kind, endorsements, parts, data)
    rules = (policy, policy_key, development_ca, enclave_configs)
    return _run(caller, evidence, given, rules, at, explained=True)


def _run(
    caller: Caller,
    evidence: Path,
    given: tuple[str, Sequence[Path] | None, Sequence[Path] | None, Path | None],
    rules: tuple[Path | None, str, Path | None, Sequence[Path] | None],
    at: str,
    *,
    explained: bool,
) -> int | None:
    kind, endorsements, parts, data = given
    policy_file, policy_key, development_ca, enclave_configs = rules
    check_kind_option(kind)
    opened_policy = chosen_policy(policy_file, policy_key)
    policy = opened_policy.policy if opened_policy is not None else None
    wanted = Wanted.of(kind=kind, endorsements=endorsements or (), parts=parts or (), data=data)
    now = time_of(at) if at else datetime.now(UTC).replace(microsecond=0)
    anchor, configs = development_anchor(development_ca), enclave_digests(enclave_configs or ())
    verdicts = [
        judged(each, at=now, policy=policy, development_ca=anchor, enclave_configs=configs)
        for each in open_evidence(evidence, wanted)
    ]
    is_good = all(each.is_good for each in verdicts)
    found = {
        "ok": is_good,
        "at": rfc3339(now),
        "at_given": bool(at),
        "policy": policy_document(opened_policy),
        "evidence": [document(each, policy) for each in verdicts],
    }
    noun = "attest-explanation" if explained else "attest-verification"
    caller.emit(noun, found, "\n\n".join("\n".join(lines(each, policy, explained=explained)) for each in verdicts))
    if opened_policy is not None:
        opened_policy.note(caller)
    _notes(caller, verdicts, at)
    return None if is_good else Exit.RUN_FAILED


def check_kind_option(kind: str) -> None:
    """Raise ``Failure`` for a kind that is none."""
    if kind and kind not in KINDS:
        raise bad_data(
            "SR-CLI-103",
            f"--kind {kind[:40]} is no kind of evidence",
            fix=f"it is one of {', '.join(KINDS)}",
            exit_code=Exit.USAGE,
        )


def chosen_policy(policy: Path | None, policy_key: str) -> OpenedPolicy | None:
    """The policy that was named, if any. Raises ``Failure``, ``Misconfigured``."""
    if policy is None:
        if policy_key:
            raise bad_data(
                "SR-CLI-104", "--policy-key needs a policy", fix="name it: --policy FILE", exit_code=Exit.USAGE
            )
        return None
    return read_policy(policy, policy_key)


def policy_document(found: OpenedPolicy | None) -> dict[str, object] | None:
    """Which policy it was, as JSON."""
    if found is None:
        return None
    policy = found.policy
    return {
        "file": policy.file,
        "sha256": policy.sha256.hex(),
        "profile": policy.profile,
        "epoch": policy.epoch,
        "signature_checked": found.is_signature_checked,
    }


def _notes(caller: Caller, verdicts: Sequence[Verdict], at: str) -> None:
    if not at:
        caller.note("verified as of now; archived evidence is verified at its own time: --at")
    if len(verdicts) > 1:
        caller.note(f"{sum(each.is_good for each in verdicts)} of {len(verdicts)} hold")
