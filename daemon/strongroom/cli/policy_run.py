"""What ``strongroom policy`` does once its options are read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.checks import FAILED, WARNED
from strongroom.attest.policy import OTHER_CONTENT_SIGNED, POLICY_BYTES_MAX, Policy, parse_policy, sign_policy
from strongroom.attest.policy_diff import Widening, newly_accepted
from strongroom.attest.release_rules import check_release, is_accepted_if_bound
from strongroom.cli.at_time import time_of
from strongroom.cli.attest_run import policy_document
from strongroom.cli.attest_verdict import Verdict, development_anchor, enclave_digests, judged
from strongroom.cli.attest_view import document, rfc3339
from strongroom.cli.caller import Caller, facts, read_file, table
from strongroom.cli.evidence_files import Wanted, open_evidence
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.policy_files import (
    OpenedPolicy,
    public_key,
    read_policy,
    signature_of,
    signing_key,
    write_signature,
)
from strongroom.cli.policy_references import Comparison, compared
from strongroom.cli.policy_remarks import remarks
from strongroom.crypto.signing import SigningKey
from strongroom.errors import EvidenceRejected

__all__ = ["compare_policies", "sign_file", "try_policy"]

REFUSED: Final = "refused"


def try_policy(
    caller: Caller,
    policy: Path,
    key: str,
    evidence: Path | None,
    values: tuple[Sequence[Path], str],
    compared_with: tuple[Path | None, Sequence[Path]],
    at: str,
) -> int | None:
    """Read the policy and run it over reference ``values`` (files, and the key of their signatures) and ``evidence``,
    which is ``compared_with`` a development CA and configurations of enclaves."""
    found = read_policy(policy, key)
    said = remarks(found.policy)
    verdicts: list[Verdict] = []
    now = time_of(at) if at else datetime.now(UTC).replace(microsecond=0)
    if evidence is not None:
        anchor, configs = development_anchor(compared_with[0]), enclave_digests(compared_with[1])
        verdicts = [
            judged(each, at=now, policy=found.policy, development_ca=anchor, enclave_configs=configs)
            for each in open_evidence(evidence, Wanted())
        ]
    references = [compared(each, found.policy, values[1]) for each in values[0]]
    refused = [each for each in verdicts if _answer(each, found.policy) == REFUSED]
    is_good = not refused and all(each.is_accepted for each in references)
    caller.emit(
        "policy-test",
        {
            "ok": is_good,
            "policy": policy_document(found),
            "references": [each.document() for each in references],
            "accepts": _accepted(found.policy),
            "remarks": said,
            "at": rfc3339(now),
            "evidence": [{"answer": _answer(each, found.policy), **document(each, found.policy)} for each in verdicts],
        },
        _text(found, said, references, verdicts),
    )
    found.note(caller)
    if verdicts:
        caller.note(f"{len(verdicts) - len(refused)} of {len(verdicts)} accepted, as of {rfc3339(now)}")
    return None if is_good else Exit.RUN_FAILED


def compare_policies(caller: Caller, old: Path, new: Path, key: str) -> int | None:
    """Print both differences; 1 when ``new`` accepts something that ``old`` refuses."""
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


def sign_file(caller: Caller, policy: Path, key: Path) -> None:
    """Sign what is a policy, beside it."""
    signer = signing_key(key)
    raw = read_file("the policy", policy, bytes_max=POLICY_BYTES_MAX)
    signed = sign_policy(raw, signer)
    _check_signer(policy.with_suffix(".pub"), signer)
    is_other = signature_of(policy) not in {b"", signed}
    signature, is_replaced = write_signature(policy, signed)
    found = {"file": str(policy), "signature_file": str(signature), "public_key": signer.public.hex()}
    caller.emit("policy-signed", {**found, "replaced": is_replaced}, str(signature))
    caller.note(
        f"signed by {signer.public.hex()}" + ("; the signature that was there is replaced" if is_replaced else "")
    )
    if is_other:
        caller.note(OTHER_CONTENT_SIGNED.format(epoch=parse_policy(raw, file=policy.name).epoch))


def _check_signer(pinned: Path, signer: SigningKey) -> None:
    """Raise ``Failure`` when the public key beside the policy, which a vault pins, is not that of ``signer``."""
    if pinned.exists() and public_key(str(pinned), str(pinned)) != signer.public:
        raise bad_data(
            "SR-CLI-135",
            f"{pinned} is not the public half of this key",
            why="it lies beside the policy, and a vault that pins it would not start with this signature",
            fix="sign with its private half; to change the signer, replace that file first",
            exit_code=Exit.CANNOT_CREATE,
        )


def _answer(verdict: Verdict, policy: Policy) -> str:
    """``accepted``; ``accepted with a warning`` where the policy asks for no more; either of them ``if bound`` for
    evidence that lacks runtime data; ``test secrets only`` for a simulation that it takes; or ``refused``."""
    report = verdict.report
    if report is None or not all(each.is_passed for each in verdict.release):
        return REFUSED
    is_warned = any(each.outcome == WARNED for each in report.checks)
    accepted = "accepted with a warning" if is_warned else "accepted"
    if not report.is_bound:
        return f"{accepted} if bound" if is_accepted_if_bound(report, policy) else REFUSED
    try:
        # The vault's own switch for simulations is not known here.
        check_release(report, policy, accepts_simulated=True)
    except EvidenceRejected:
        return REFUSED
    return "test secrets only" if report.kind in INSECURE_KINDS else accepted


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
            rows.append([each.opened.file, each.opened.kind, _answer(each, policy), *_why(check)])
        parts.append(table(["EVIDENCE", "KIND", "ANSWER", "CODE", "CHECK", "POLICY"], rows))
    return "\n\n".join(parts)


def _why(check: Any) -> list[str]:  # Any: a check, or None
    if check is None or check.outcome != FAILED:
        return ["", "", ""]
    return [check.code, check.id, check.policy_ref]


def _difference(title: str, found: Sequence[Widening]) -> list[str]:
    return [f"{title}:", *(f"  {each.where}: {each.what}" for each in found)] if found else []
