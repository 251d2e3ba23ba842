"""A simulation as a document and as lines for people. Secrets are named and never shown."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from strongroom.cli.caller import facts, table
from strongroom.cli.values import to_json
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.testing.hidden import Hidden
from strongroom.testing.messages import answer_type, blank, readable
from strongroom.testing.simulation import Phase, Simulation, Wish

__all__ = ["document", "text"]

LOGS_SHOWN_MAX: Final = 100
"""Lines that people are shown; --json has all of them."""
ALWAYS_SHOWN: Final = frozenset({"memory_bytes_max", "response_bytes_max", "log_lines_max", "run_timeout_ms"})
"""Limits of which people see the use even when there is none."""
PLAIN_KEY: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.@:+-]*[A-Za-z0-9]")
"""What YAML reads as it is written."""


def document(wish: Wish, done: Simulation, warnings: Sequence[str]) -> dict[str, Any]:  # Any: JSON
    """The document of a simulation, without a secret in it."""
    hidden = Hidden(wish.secrets)
    return {
        "status": "failed" if done.failure else "completed",
        "result": hidden.value(_result(done.phases[-1])),
        "error": hidden.text(done.failure),
        "workflow_id": done.workflow_id,
        "binary_sha256": done.binary.sha256,
        "encoding": done.binary.encoding,
        "trigger_index": wish.trigger,
        "subscriptions": [
            {
                "index": n,
                "capability_id": s.id,
                "method": s.method,
                "pre_hook": s.pre_hook,
                "config": hidden.value(readable(s.payload)),
            }
            for n, s in enumerate(done.subscriptions)
        ],
        "phases": [_phase(phase, hidden) for phase in done.phases],
        "limits": [{"name": name, "used": used, "limit": limit} for name, used, limit in _usage(wish, done)],
        "warnings": list(warnings),
        "missing_mocks": "\n".join(_mocks_to_paste(done.missing, hidden)),
    }


def text(shown: dict[str, Any]) -> str:  # Any: JSON
    """A document for people: what happened first, how much of the limits it took last."""
    result, phases = shown["result"], shown["phases"]
    lines = [f"{phase['phase']}: {line}" for phase in phases for line in phase["logs"]]
    calls = [
        [phase["phase"], call["callback_id"], call["capability_id"], call["method"]]
        for phase in phases
        for call in phase["calls"]
    ]
    limits = [
        [limit["name"], limit["used"], limit["limit"]]
        for limit in shown["limits"]
        if limit["used"] or limit["name"] in ALWAYS_SHOWN
    ]
    triggers = (
        f"{s['index']}={s['capability_id']}" + (" with pre-hook" if s["pre_hook"] else "")
        for s in shown["subscriptions"]
    )
    parts = [
        facts(
            [
                ("triggers", ", ".join(triggers)),
                ("ran", ", ".join(f"{p['phase']} {p['duration_s'] * 1_000:.1f} ms" for p in phases)),
                ("status", shown["status"]),
                ("result", result if isinstance(result, str) else _compact(result)),
                ("error", shown["error"]),
            ]
        ),
        facts([("log", line) for line in lines[:LOGS_SHOWN_MAX]]),
        f"further {len(lines) - LOGS_SHOWN_MAX} log lines are in --json" if len(lines) > LOGS_SHOWN_MAX else "",
        table(["IN", "CALL", "CAPABILITY", "METHOD"], calls) if calls else "",
        table(["LIMIT", "USED", "OF"], limits),
    ]
    return "\n\n".join(part for part in parts if part)


def _compact(value: Any) -> str:  # Any: JSON
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _mocks_to_paste(missing: Iterable[sdk_pb2.CapabilityRequest], hidden: Hidden) -> Iterator[str]:
    """Lines for the mock file, one answer for each call that had none."""
    sorted_calls = sorted(missing, key=lambda call: (call.id, call.method, abs(call.callback_id)))
    last: tuple[str, str] = ("", "")
    for call in sorted_calls:
        if call.id != last[0]:
            yield f"{_key(call.id)}:"
        if (call.id, call.method) != last:
            yield f"  {_key(call.method)}:"
        last = (call.id, call.method)
        kind = answer_type(call.id, call.method)
        yield f"    # call {call.callback_id}: {json.dumps(hidden.value(readable(call.payload)))}"
        if kind is None:
            yield "    - type: full.name.OfTheAnswer"
            yield "      answer: {}"
        else:
            yield f"    - answer: {json.dumps(blank(kind))}"


def _key(word: str) -> str:
    return word if PLAIN_KEY.fullmatch(word) else json.dumps(word)


def _phase(phase: Phase, hidden: Hidden) -> dict[str, Any]:  # Any: JSON
    outcome = phase.outcome
    result = outcome.result
    return {
        "phase": phase.name,
        "answer": result.WhichOneof("result") if result else None,
        "error": hidden.text(phase.failure),
        "duration_s": outcome.duration_s,
        "memory_bytes": outcome.memory_bytes,
        "logs": hidden.value(outcome.logs),
        "calls": [
            {
                "callback_id": c.callback_id,
                "capability_id": c.id,
                "method": c.method,
                "payload": hidden.value(readable(c.payload)),
            }
            for c in outcome.calls
        ],
        "secrets": [f"{namespace}/{key}" for namespace, key in phase.used.secrets],
    }


def _result(phase: Phase) -> Any:  # Any: JSON
    result = phase.outcome.result
    return to_json(result.value) if result is not None and result.HasField("value") else None


def _usage(wish: Wish, done: Simulation) -> list[tuple[str, int, int]]:
    """Settings with what the last phase used of them."""
    limits, last = wish.limits, done.phases[-1]
    counts, outcome = last.used.counts, last.outcome
    encoded = "binary_compressed_bytes_max" if done.binary.encoding == "brotli" else "binary_bytes_max"
    timeout = {"subscribe": "subscribe_timeout_ms", "pre-hook": "pre_hook_timeout_ms"}.get(last.name, "run_timeout_ms")
    used = {
        timeout: round(outcome.duration_s * 1_000),
        "memory_bytes_max": outcome.memory_bytes,
        "response_bytes_max": outcome.result.ByteSize() if outcome.result else 0,
        "log_lines_max": last.log_lines,
        "log_line_bytes_max": max((len(line.encode()) for line in outcome.logs), default=0),
        encoded: len(done.binary.data),
        "config_bytes_max": len(wish.config),
        "payload_bytes_max": len(wish.payload),
        "subscriptions_max": len(done.subscriptions),
        "steps_max": counts["steps"],
        "http_action_calls_max": counts["http-actions"],
        "confidential_http_calls_max": counts["confidential-http"],
        "consensus_calls_max": counts["consensus"],
        "secrets_fetches_max": counts["fetches"],
        "secrets_bytes_max": counts["secret bytes"],
        "time_reads_max": counts["time reads"],
    }
    return [(name, value, int(getattr(limits, name))) for name, value in used.items()]
