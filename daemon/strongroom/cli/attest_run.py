"""What ``strongroom attest`` does once its options are read: open, verify, appraise, print."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from strongroom.attest.assurance import KINDS
from strongroom.cli.at_time import time_of
from strongroom.cli.attest_verdict import Verdict, development_anchor, enclave_digests, judged
from strongroom.cli.attest_view import document, lines, rfc3339
from strongroom.cli.caller import Caller
from strongroom.cli.evidence_files import Wanted, open_evidence
from strongroom.cli.exits import Exit
from strongroom.cli.failure import bad_data
from strongroom.cli.policy_files import OpenedPolicy, read_policy

__all__ = ["chosen_policy", "policy_document", "run"]


def run(
    caller: Caller,
    evidence: Path,
    given: tuple[str, Sequence[Path] | None, Sequence[Path] | None, Path | None],
    rules: tuple[Path | None, str, Path | None, Sequence[Path] | None],
    at: str,
    *,
    explained: bool,
) -> int | None:
    """Verify and print. ``given`` are the options about evidence, ``rules`` those about what it is compared with."""
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
        "evidence": [document(each, policy, explained=explained) for each in verdicts],
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
