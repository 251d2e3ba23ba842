"""How a run ended, for people and programs: its result, or its error and what to do."""

import json
from typing import Any, Final

from strongroom.cli.caller import Caller
from strongroom.cli.values import to_json
from strongroom.pb.strongroom.v1 import run_pb2

__all__ = ["end_document", "end_facts", "note_fence"]

CONFIDENTIAL: Final = "confidential"
End = run_pb2.ExecuteResponse | run_pb2.RunServiceGetResponse


def end_document(answer: End) -> dict[str, Any]:  # Any: JSON
    """The fields of the end. ``result_kind`` tells bytes, which are base64 in JSON, from text."""
    kind = answer.result.WhichOneof("value") if answer.HasField("result") else None
    return {
        "result": to_json(answer.result) if answer.HasField("result") else None,
        "result_kind": kind.removesuffix("_value") if kind else None,
        "error": answer.error,
        "help": answer.help,
    }


def end_facts(answer: End) -> list[tuple[str, object]]:
    """The same as pairs for people."""
    document = end_document(answer)
    result, shown = document["result"], ""
    if document["result_kind"] == "bytes":
        shown = f"base64: {result}"
    elif result is not None:
        shown = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
    return [("result", shown), ("error", answer.error), ("do", answer.help)]


def note_fence(caller: Caller, run: run_pb2.Run) -> None:
    """The last thing to say of a confidential run that no hardware protected, also where silence was asked for."""
    if run.module == CONFIDENTIAL and run.insecure:
        # Imported here: few runs need it, and what it imports in turn is slow.
        from strongroom.attest.evidence import INSECURE

        caller.warn(INSECURE)
