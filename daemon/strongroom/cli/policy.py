"""``strongroom policy``: test, compare and sign policies of a vault; offline, without a host."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from strongroom.attest.checks import FAILED
from strongroom.attest.policy import POLICY_BYTES_MAX, Policy, sign_policy
from strongroom.attest.policy_diff import Widening, newly_accepted
from strongroom.cli.at_time import At, time_of
from strongroom.cli.attest import Authority, EnclaveConfigs, policy_document
from strongroom.cli.attest_verdict import Verdict, development_anchor, enclave_digests, judged
from strongroom.cli.attest_view import document, rfc3339
from strongroom.cli.caller import Caller, facts, read_file, table
from strongroom.cli.evidence_files import Wanted, open_evidence
from strongroom.cli.exits import Exit
from strongroom.cli.policy_files import (
    OpenedPolicy,
    new_signing_key,
    read_policy,
    signing_key,
    write_signature,
)
from strongroom.cli.policy_references import Comparison, compared
from strongroom.cli.policy_remarks import remarks
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
    found = read_policy(policy, key)
    said = remarks(found.policy)
    verdicts: list[Verdict] = []
    now = time_of(at) if at else datetime.now(UTC).replace(microsecond=0)
    if evidence is not None:
        anchor, configs = development_anchor(development_ca), enclave_digests(enclave_configs or ())
        verdicts = [
            judged(each, at=now, policy=found.policy, development_ca=anchor, enclave_configs=configs)
            for each in open_evidence(evidence, Wanted())
        ]
    values = [compared(each, found.policy, reference_key or key) for each in references or ()]
    refused = [each for each in verdicts if _answer(each) == "refused"]
    is_good = not refused and all(each.is_accepted for each in values)
    caller.emit(
        "policy-test",
        {
            "ok": is_good,
            "policy": policy_document(found),
            "references": [each.document() for each in values],
            "accepts": _accepted(found.policy),
            "remarks": said,
            "at": rfc3339(now),
            "evidence": [{"answer": _answer(each), **document(each, found.policy)} for each in verdicts],
        },
        _text(found, said, values, verdicts),
    )
    found.note(caller)
    if verdicts:
        caller.note(f"{len(verdicts) - len(refused)} of {len(verdicts)} accepted, as of {rfc3339(now)}")
    return None if is_good else Exit.RUN_FAILED


@verb(app, "diff", example="strongroom policy diff policy.toml next.toml", online=False)
def diff(caller: Caller, old: _Old, new: _New, key: _Key = "") -> int | None:
    """Show what NEW accepts that OLD refuses, and the other way round, line by line.

    The exit code is 1 when something is newly accepted, and 0 when NEW is at least as strict. With --key both must be
    signed by that key.
    """
    before, after = read_policy(old, key), read_policy(new, key)
    wider = newly_accepted(before.policy, after.policy)
    narrower = newly_accepted(after.policy, before.policy)
    caller.emit(
        "policy-diff",
        {
            "ok": not wider,
            "old": policy_document(before),
            "new": policy_document(after),
            "newly_accepted": [{"where": each.where, "what": each.what} for each in wider],
            "newly_refused": [{"where": each.where, "what": each.what} for each in narrower],
        },
        "\n".join([*_difference("newly accepted", wider), *_difference("newly refused", narrower)]),
    )
    before.note(caller)
    if not wider and not narrower:
        caller.note("both accept the same")
    if after.policy.epoch <= before.policy.epoch and after.policy.sha256 != before.policy.sha256:
        caller.note(
            f"the epoch does not rise ({before.policy.epoch} to {after.policy.epoch}); a change needs a higher one"
        )
    return Exit.RUN_FAILED if wider else None


@verb(app, "sign", example="strongroom policy sign policy.toml --key policy.key", online=False)
def sign(caller: Caller, policy: _Policy, key: _SigningKey) -> None:
    """Sign a policy: 64 bytes go into a file beside it, policy.toml.sig. A file that is no policy is not signed.

    The signature of an earlier version of the file is replaced.
    """
    signer = signing_key(key)
    raw = read_file("the policy", policy, bytes_max=POLICY_BYTES_MAX)
    signature, is_replaced = write_signature(policy, sign_policy(raw, signer))
    found = {"file": str(policy), "signature_file": str(signature), "public_key": signer.public.hex()}
    caller.emit("policy-signed", {**found, "replaced": is_replaced}, str(signature))
    caller.note(
        f"signed by {signer.public.hex()}" + ("; the signature that was there is replaced" if is_replaced else "")
    )


@verb(app, "new-key", example="strongroom policy new-key policy.key", online=False)
def new_key(caller: Caller, file: _NewKey) -> None:
    """Make a key that signs policies and reference values: FILE with the private half, FILE.pub with the public one.

    Only you may read FILE. Keep it where the vault and its host are not: whoever has it says what the vault accepts.
    """
    key, beside = new_signing_key(file)
    found = {"file": str(file), "public_key_file": str(beside), "public_key": key.public.hex()}
    caller.emit("policy-key", found, f"{file}\n{beside}")
    caller.note(f"the vault pins its public half: {key.public.hex()}")


def _answer(verdict: Verdict) -> str:
    """``accepted``, ``accepted if bound`` for evidence that only lacks runtime data, or ``refused``."""
    if verdict.is_good:
        return "accepted"
    is_unbound = verdict.report is not None and not verdict.report.is_bound and verdict.report.code is None
    return "accepted if bound" if is_unbound else "refused"


def _accepted(policy: Policy) -> list[dict[str, Any]]:  # Any: JSON values
    return [
        {"kind": each.kind, "name": each.name, "demands": {every.key: every.wanted() for every in each.demands}}
        for each in policy.entries
    ]


def _text(found: OpenedPolicy, said: Sequence[str], values: Sequence[Comparison], verdicts: Sequence[Verdict]) -> str:
    policy = found.policy
    parts = [
        facts(
            [
                ("policy", policy.file),
                ("sha256", policy.sha256.hex()),
                ("signature", "holds" if found.is_signature_checked else "not checked"),
                ("profile", policy.profile),
                ("epoch", policy.epoch),
                ("min runner svn", policy.min_runner_svn),
                ("release", f"{policy.release.require}, at least {policy.release.min_assurance}"),
            ]
        )
    ]
    if policy.entries:
        rows = [[each.kind, each.name, ", ".join(every.key for every in each.demands)] for each in policy.entries]
        parts.append(table(["KIND", "RELEASE", "DEMANDS"], rows))
    if said:
        parts.append("\n".join(f"remark: {each}" for each in said))
    if values:
        rows = [
            [each.file, each.value.build, "accepted" if each.is_accepted else "refused", each.why] for each in values
        ]
        parts.append(table(["REFERENCE", "BUILD", "ANSWER", "WHY"], rows))
    if verdicts:
        rows = []
        for each in verdicts:
            check = each.first_refusal
            rows.append([each.opened.file, each.opened.kind, _answer(each), *_why(check)])
        parts.append(table(["EVIDENCE", "KIND", "ANSWER", "CODE", "CHECK", "POLICY"], rows))
    return "\n\n".join(parts)


def _why(check: Any) -> list[str]:  # Any: a check, or None
    if check is None or check.outcome != FAILED:
        return ["", "", ""]
    return [check.code, check.id, check.policy_ref]


def _difference(title: str, found: Sequence[Widening]) -> list[str]:
    return [f"{title}:", *(f"  {each.where}: {each.what}" for each in found)] if found else []
