"""A guest's metric as a line of its run's log: this host keeps what a guest says with the run and nowhere else.

Only name, type, value and labels are taken over. Whose metric it is, the journal says in which it stands; what the
guest wrote about that is nobody's word. Source: contracts/cre-guest.md section 2.8.
"""

import json
import math
from typing import Final

from google.protobuf.message import DecodeError

from strongroom.pb.workflows.v2 import workflow_user_metric_pb2

__all__ = ["line_of"]

_TYPES: Final = {
    workflow_user_metric_pb2.USER_METRIC_TYPE_COUNTER: "counter",
    workflow_user_metric_pb2.USER_METRIC_TYPE_GAUGE: "gauge",
}


def line_of(untrusted_metric: bytes) -> str:
    """One line of JSON; empty for bytes that are no metric, which no sound runner hands on."""
    try:
        metric = workflow_user_metric_pb2.WorkflowUserMetric.FromString(untrusted_metric)
    except DecodeError:
        return ""
    told = {
        "metric": metric.name,
        "type": _TYPES.get(metric.type, "unspecified"),
        "value": metric.value if math.isfinite(metric.value) else str(metric.value),
        "labels": dict(sorted(metric.labels.items())),
    }
    return json.dumps(told, ensure_ascii=False)
