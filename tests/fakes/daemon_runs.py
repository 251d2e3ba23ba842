"""What the fake host answers about runs that are followed, stopped, repeated and exported."""

import grpc

from strongroom.pb.strongroom.v1 import run_pb2, run_pb2_grpc, workflow_pb2

FINAL = frozenset({run_pb2.RUN_STATUS_COMPLETED, run_pb2.RUN_STATUS_CANCELLED})


def listed(runs, request):
    """The runs that a request lists."""
    named = [run for run in runs if request.workflow_name in ("", run.workflow_name)]
    return [run for run in named if not request.statuses or run.status in request.statuses]


def fill_opened(answer, daemon):
    """What a run shows for a reason."""
    answer.error, answer.cancel_reason = daemon.error, "wrong input"
    answer.input = b'{"trigger": {"id": "7"}}'
    answer.unreadable.extend(daemon.unreadable)
    if daemon.result is not None:
        answer.result.CopyFrom(daemon.result)


class Streams(run_pb2_grpc.RunServiceServicer):
    """Streams that break after ``daemon.cut_after`` messages, once for each number in it."""

    def _until_cut(self, messages, context):
        left = self.daemon.cuts.pop(0) if self.daemon.cuts else None
        for number, message in enumerate(messages):
            if number == left:
                context.abort(grpc.StatusCode.UNAVAILABLE, "")
            yield message
        if left is not None and left < 0:
            context.abort(grpc.StatusCode.CANCELLED, "")

    def Watch(self, request, context):
        self.daemon.hear(request, context)
        events = [run_pb2.WatchResponse(event=e) for e in self.daemon.events if e.index >= request.from_index]
        run = run_pb2.WatchResponse(run=run_pb2.Run(run_id=request.run_id, status=run_pb2.RUN_STATUS_COMPLETED))
        yield from self._until_cut([*events, run], context)

    def Logs(self, request, context):
        self.daemon.hear(request, context)
        for each in self._until_cut([e for e in self.daemon.lines if e.index >= request.from_index], context):
            if request.reason:
                yield each
            elif each.position == 0:
                sealed = run_pb2.Sealed(sealed_bytes=100, key_version=1)
                yield run_pb2.LogsResponse(index=each.index, create_time=each.create_time, sealed=sealed)

    def Export(self, request, context):
        self.daemon.hear(request, context)
        yield from self._until_cut([run_pb2.ExportResponse(lines=piece) for piece in self.daemon.pieces], context)

    def Kill(self, request, context):
        self.daemon.hear(request, context)
        run = self.daemon.runs[request.run_id]
        run.status = run_pb2.RUN_STATUS_CANCELLED
        return run_pb2.KillResponse(run=run)

    def Retry(self, request, context):
        self.daemon.hear(request, context)
        created = request.new_run_id not in self.daemon.runs
        run = run_pb2.Run(run_id=request.new_run_id, parent_run_id=request.run_id, status=run_pb2.RUN_STATUS_PENDING)
        self.daemon.runs[request.new_run_id] = run
        return run_pb2.RetryResponse(run=run, created=created, steps_kept=2 if request.from_step else 0)

    def Replay(self, request, context):
        self.daemon.hear(request, context)
        answer = run_pb2.ReplayResponse()
        answer.CopyFrom(self.daemon.replayed)
        answer.run.run_id = request.run_id
        return answer

    def GetReceipt(self, request, context):
        self.daemon.hear(request, context)
        opened = {"result": self.daemon.signed_result} if request.reason else {}
        return run_pb2.GetReceiptResponse(receipt=self.daemon.receipt, run=self.daemon.runs[request.run_id], **opened)


def limits():
    """Two limits of guests."""
    return workflow_pb2.GetLimitsResponse(
        limits=[
            workflow_pb2.Limit(name="limits.run_timeout_ms", value=300_000, reason="Time of one run."),
            workflow_pb2.Limit(name="limits.log_lines_max", value=1_000, reason="Lines that a guest may log."),
        ]
    )


def page(items, token, size):
    """One page of ``items``, and the token of the next."""
    start = int(token or 0)
    end = start + (size or 50)
    return items[start:end], str(end) if end < len(items) else ""
