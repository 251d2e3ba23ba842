"""A verdict on evidence as a JSON document and as lines for people."""

from datetime import datetime
from typing import Any

from strongroom.attest.checks import FAILED, NOT_CHECKED, Check
from strongroom.attest.evidence import INSECURE
from strongroom.attest.policy import Policy
from strongroom.cli.attest_meanings import do_about, what_it_means
from strongroom.cli.attest_unverified import unverified_claims
from strongroom.cli.attest_verdict import Verdict, plain
from strongroom.cli.caller import facts
from strongroom.telemetry.redaction import printable

__all__ = ["check_document", "check_lines", "document", "lines", "refusal_document", "refusal_lines", "rfc3339"]

_Json = dict[str, Any]  # Any: JSON values


def rfc3339(time: datetime) -> str:
    """In UTC, to the second where that says it all."""
    return time.isoformat().replace("+00:00", "Z")


def document(verdict: Verdict, policy: Policy | None, *, explained: bool = False) -> _Json:
    """Everything about one piece of evidence; ``explained`` has what refused evidence says of itself, too."""
    opened, report, claims = verdict.opened, verdict.report, verdict.claims
    refusal = verdict.first_refusal
    found: _Json = {
        "file": opened.file,
        "kind": opened.kind,
        "recognised_as": opened.what,
        "files_used": list(opened.used),
        "authentic": claims is not None,
        "assurance": claims.assurance if claims is not None else None,
        "insecure": opened.is_insecure,
        "binding": _binding(verdict),
        "refusal": None if refusal is None else refusal_document(refusal),
        "checks": [check_document(each) for each in verdict.checks],
        "claims": plain(claims.facts) if claims is not None else None,
    }
    if explained:
        found["unverified_claims"] = plain(unverified_claims(opened)) if claims is None else None
    if policy is not None:
        found["status"] = report.status if report is not None else None
        found["release"] = report.entry if report is not None else ""
    return found


def check_document(check: Check) -> _Json:
    """One check."""
    names = ("id", "outcome", "code", "got", "wanted", "policy_ref")
    return {name: getattr(check, name) for name in names}


def refusal_document(check: Check) -> _Json:
    """One check that does not hold, with what its code means and what to do."""
    return {**check_document(check), "meaning": what_it_means(check), "fix": do_about(check)}


def lines(verdict: Verdict, policy: Policy | None, *, explained: bool) -> list[str]:
    """What a person wants to know: the answer first, then what it is about; ``explained`` has every check and claim."""
    opened, claims = verdict.opened, verdict.claims
    shown = [f"{opened.file}: {_answer(verdict, policy)}"]
    pairs: list[tuple[str, object]] = [
        ("kind", f"{opened.kind}, {opened.what}"),
        ("used", ", ".join(opened.used)),
        ("at", rfc3339(verdict.at)),
        ("assurance", claims.assurance if claims is not None else ""),
        ("binding", _binding(verdict) if claims is not None else ""),
    ]
    shown += _indented(facts(pairs))
    refusal = verdict.first_refusal
    if refusal is not None:
        shown += refusal_lines(refusal)
    if claims is not None and policy is None:
        shown.append("  no policy was applied: this says who made the evidence, not that it is good enough")
    if explained:
        shown += ["  checks:", *(f"  {line}" for each in verdict.checks for line in check_lines(each))]
        said = claims.facts if claims is not None else unverified_claims(opened)
        title = "what it says:" if claims is not None else "what it says of itself, which nothing here confirms:"
        pairs = [(name, _short(plain(value))) for name, value in sorted(said.items())]
        shown += [f"  {title}", *_indented(facts(pairs), 4)] if pairs else []
    if opened.is_insecure:
        return [INSECURE, *shown, INSECURE]
    return shown


def refusal_lines(check: Check) -> list[str]:
    """Why, in full: the check with its code, what was found and wanted, and what the code means."""
    pairs: list[tuple[str, object]] = [
        ("check", check.id),
        ("got", check.got or "nothing"),
        ("wanted", check.wanted),
        ("policy", check.policy_ref),
        ("means", what_it_means(check)),
        ("do", do_about(check)),
    ]
    return _indented(facts(pairs))


def check_lines(check: Check) -> list[str]:
    """One check: how it came out, and below that what it looked at."""
    is_failed = check.outcome == FAILED
    outcome, code = ("FAILED", f"  ({check.code})") if is_failed else (check.outcome, "")
    shown = [f"  {outcome:<12} {printable(check.id)}{code}"]
    got = "" if check.outcome == NOT_CHECKED else check.got
    for name, value in (("got", got), ("wanted", check.wanted), ("policy", check.policy_ref)):
        if value:
            shown.append(f"    {name + ':':<8}{printable(value)}")
    return shown


def _answer(verdict: Verdict, policy: Policy | None) -> str:
    refusal = verdict.first_refusal
    if verdict.refusal is not None:
        return f"refused ({verdict.refusal.code})"
    if policy is None or verdict.report is None:
        return "authentic"
    status = verdict.report.status
    if verdict.is_good:
        return f"authentic and {status} under {policy.file}"
    if refusal is not None and refusal.outcome == FAILED:
        return f"authentic, and refused by {policy.file} ({refusal.code})"
    return f"authentic, and not affirming under {policy.file} ({status})"


def _binding(verdict: Verdict) -> str:
    return "holds" if verdict.claims is not None and verdict.claims.is_bound else "not checked"


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(each)}" for key, each in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _indented(text: str, spaces: int = 2) -> list[str]:
    return [f"{' ' * spaces}{line}" for line in text.split("\n") if line]
