"""What came of a receipt as a JSON document and as lines for people."""

from typing import Any

from strongroom.attest.ar4si import AFFIRMING
from strongroom.attest.assurance import INSECURE_KINDS
from strongroom.attest.checks import FAILED
from strongroom.attest.evidence import INSECURE
from strongroom.attest.receipt import CO_LOCATED
from strongroom.cli.attest_view import check_document, refusal_document, refusal_lines, rfc3339
from strongroom.cli.caller import facts
from strongroom.cli.receipt_findings import JudgedReceipt

__all__ = ["document", "lines", "notes"]

_Json = dict[str, Any]  # Any: JSON values
RESULTS = {
    None: "not compared",
    True: "matches",
    False: "DOES NOT MATCH: the file holds another one than the enclave signed",
}
NO_POLICY = "no policy was applied: this says what ran and what protected it, not that it is good enough"


def document(judged: JudgedReceipt) -> _Json:
    """Everything that was found."""
    receipt, found, report = judged.receipt, judged.found, judged.report
    return {
        "ok": judged.is_good,
        "holds": judged.holds,
        "assurance": judged.assurance,
        "insecure": judged.is_insecure,
        "kind": receipt.evidence.kind if receipt is not None else None,
        "at": rfc3339(found.at) if found is not None and found.at is not None else None,
        "at_given": judged.is_time_given,
        "vault": receipt.vault if receipt is not None else None,
        "vault_public_key": receipt.vault_public_key.hex() if receipt is not None else None,
        "released_under_policy_sha256": receipt.policy_sha256.hex() if receipt is not None else None,
        "status": report.status if report is not None else None,
        "vault_status": _vault_status(judged),
        "release": report.entry if report is not None else None,
        "execution": _execution(judged),
        "result": _result(judged),
        "result_compared": judged.is_result_compared,
        "result_matches": judged.result_matches,
        "checks": [check_document(each) for each in judged.checks],
        "policy_checks": [check_document(each) for each in judged.policy_checks] if report is not None else None,
        "failed": [refusal_document(each) for each in judged.failed],
    }


def _execution(judged: JudgedReceipt) -> _Json | None:
    data = judged.found.data if judged.found is not None else None
    if data is None:
        return None
    execution = data.execution
    names = ("binary_sha256", "config_sha256", "request_sha256", "requirements_sha256", "restrictions_sha256")
    return {
        "execution_id": execution.execution_id,
        "attempt": execution.attempt,
        "workflow_id": execution.workflow_id,
        "owner": execution.owner,
        **{name: getattr(execution, name).hex() for name in names},
        "runner_build": data.runner.build,
        "runner_svn": data.runner.svn,
        "enclave_config_sha256": data.enclave_config_sha256.hex(),
        "secrets_requested": [list(each) for each in data.secrets],
    }


def _result(judged: JudgedReceipt) -> _Json | None:
    result = judged.found.result if judged.found is not None else None
    if result is None:
        return None
    return {
        "status": result.status,
        "result_sha256": result.result_sha256.hex(),
        "fuel": result.fuel,
        "secrets_released": [list(each) for each in result.secrets],
        "calls": [
            {
                "ref": each.ref,
                "capability_id": each.capability_id,
                "request_sha256": each.request_sha256.hex(),
                "response_sha256": each.response_sha256.hex(),
                "trust": each.trust,
            }
            for each in result.calls
        ],
    }


def lines(file: str, judged: JudgedReceipt) -> list[str]:
    """The answer, what the receipt is about, and every check that failed."""
    shown = [f"{file}: {_answer(judged)}", *_about(judged)]
    for check in judged.failed:
        if check.code:
            shown += ["", *refusal_lines(check)]
    if judged.policy is None:
        shown += ["", f"  {NO_POLICY}"]
    if judged.is_insecure:
        return [INSECURE, *shown, INSECURE]
    return shown


def _answer(judged: JudgedReceipt) -> str:
    total, failed = len(judged.checks), sum(not each.is_passed for each in judged.checks)
    if failed:
        return f"does not hold: {failed} of {total} checks failed"
    held = f"holds, {total} checks"
    if judged.policy is None:
        status = _vault_status(judged)
        return f"{held}, assurance {judged.assurance}" + (f"; its vault found {status}" if status != AFFIRMING else "")
    status = judged.report.status if judged.report is not None else "not appraised"
    if judged.is_good:
        return f"{held}, assurance {judged.assurance}, {status} under {judged.policy.file}"
    code = next((each.code for each in judged.policy_checks if each.outcome == FAILED), None)
    return f"{held}; refused by {judged.policy.file}, {status}{f' ({code})' if code else ''}"


def _vault_status(judged: JudgedReceipt) -> str | None:
    """What the vault found when it released, under its own policy: the status of the attestation result."""
    ear = judged.found.ear if judged.found is not None else None
    return ear.status if ear is not None else None


def _about(judged: JudgedReceipt) -> list[str]:
    """What was verified, and no more: what did not hold is not shown as if it did."""
    receipt, found = judged.receipt, judged.found
    if receipt is None or found is None:
        return []
    data, result = found.data, found.result
    pairs: list[tuple[str, object]] = [
        ("evidence", receipt.evidence.kind),
        ("assurance", judged.assurance or "not verified"),
        ("at", _when(judged)),
        ("finding", f"{_vault_status(judged) or 'not verified'}, by the vault when it released"),
        ("vault", f"{receipt.vault}, key {receipt.vault_public_key.hex()}"),
    ]
    if data is not None:
        pairs += [
            ("execution", f"{data.execution.execution_id}, attempt {data.execution.attempt}"),
            ("workflow", data.execution.workflow_id),
            ("owner", data.execution.owner),
            ("binary", data.execution.binary_sha256.hex()),
            ("config", data.execution.config_sha256.hex()),
            ("runner", f"{data.runner.build}, svn {data.runner.svn}"),
        ]
    if result is not None:
        released = ", ".join(f"{namespace}/{key} version {version}" for namespace, key, version in result.secrets)
        pairs += [
            ("status", result.status),
            ("result", RESULTS[judged.result_matches]),
            ("sha256", result.result_sha256.hex()),
            ("secrets", released or "none released"),
            ("calls", len(result.calls)),
        ]
    return [f"  {line}" for line in facts(pairs).split("\n")]


def _when(judged: JudgedReceipt) -> str:
    found = judged.found
    if found is None or found.at is None:
        return ""
    source = "as --at says" if judged.is_time_given else "the time of the attestation result (iat)"
    return f"{rfc3339(found.at)}, {source}"


def notes(judged: JudgedReceipt) -> list[str]:
    """What a person may take for granted and was not looked at."""
    said: list[str] = []
    receipt, policy = judged.receipt, judged.policy
    if receipt is None:
        return said
    if receipt.vault == CO_LOCATED:
        said.append("the vault ran with the host: whoever has control of that could have read what it released")
    if policy is None and receipt.evidence.kind == "tpm2":
        said.append("makers of TPMs are named by policies only: without one this is of class vtpm-untrusted")
    if policy is not None and policy.sha256 != receipt.policy_sha256:
        said.append(
            f"released under another policy, sha256 {receipt.policy_sha256.hex()}; {policy.file} was applied now"
        )
    if receipt.evidence.kind in INSECURE_KINDS and judged.policy is None:
        said.append("a simulation is signed under a development CA: anybody who has its file could have made it")
    return said
