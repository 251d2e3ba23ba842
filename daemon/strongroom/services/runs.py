"""``strongroom.v1.RunService``."""

from collections.abc import Iterator
from typing import Final

import grpc

from strongroom.engine import admission
from strongroom.engine.auditing import Audit
from strongroom.engine.cancel_signal import CancelSignal
from strongroom.engine.engine import Engine
from strongroom.engine.handles import Outcome
from strongroom.engine.history import History
from strongroom.engine.opening import EVENT_FIELDS, RUN_FIELDS, checked_fields, run_fields
from strongroom.engine.receipts import last_receipt
from strongroom.engine.registration import Owners
from strongroom.engine.replay import Replays
from strongroom.engine.retry import Retries
from strongroom.errors import InvalidInput
from strongroom.pb.strongroom.v1 import run_pb2, run_pb2_grpc
from strongroom.services.callers import caller_of
from strongroom.services.convert import run_message, tampered_run_message, unreadable_message
from strongroom.services.paging import checked_index, decode_token, encode_token, page_size
from strongroom.services.places import Places, time_left_s
from strongroom.services.reasons import Opening, checked_reason
from strongroom.services.run_events import EventMessages, as_json
from strongroom.services.run_streams import RunStreams
from strongroom.settings.roles import Role
from strongroom.storage.runs import RunRow

__all__ = ["RunService"]

RUNS: Final = 50
EVENTS: Final = 100


class RunService(run_pb2_grpc.RunServiceServicer):
    """Runs of registered workflows."""

    def __init__(
        self,
        engine: Engine,
        history: History,
        owners: Owners,
        *,
        retries: Retries,
        replays: Replays,
        waiting: Places,
        streams: Places,
        audit: Audit,
    ) -> None:
        """``streams`` are the places of calls whose answer is a stream, of runs and of their named streams together."""
        self._engine = engine
        self._history = history
        self._owners = owners
        self._retries = retries
        self._replays = replays
        self._waiting = waiting
        self._audit = audit
        self._streams = RunStreams(history, streams, audit)

    def Start(self, request: run_pb2.StartRequest, context: grpc.ServicerContext) -> run_pb2.StartResponse:
        """Accept a run."""
        header, created = self._engine.start(self._wish(request))
        return run_pb2.StartResponse(run=self._message(header), created=created)

    def Execute(self, request: run_pb2.ExecuteRequest, context: grpc.ServicerContext) -> run_pb2.ExecuteResponse:
        """Accept a run and wait for its end, or that of this host."""
        with self._waiting.taken():
            header, _ = self._engine.start(self._wish(request.start))
            header, outcome = self._engine.wait(header.run_id, time_left_s(context))
        response = run_pb2.ExecuteResponse(run=self._message(header))
        if outcome is not None:
            _say_end(response, outcome)
        return response

    def Get(
        self, request: run_pb2.RunServiceGetRequest, context: grpc.ServicerContext
    ) -> run_pb2.RunServiceGetResponse:
        """One header, and the fields that were asked for where a reason is given."""
        reason = checked_reason(request.reason)
        wanted = checked_fields(request.fields, RUN_FIELDS)
        header = self._history.header(request.run_id)
        response = run_pb2.RunServiceGetResponse(run=self._message(header))
        if reason:
            with Opening(self._audit, "run.decrypt", header, ", ".join(wanted), reason) as opening:
                found = run_fields(self._history, header, wanted)
                opening.shown = found.shown
                response.cancel_reason = found.cancel_reason
                if found.input is not None:
                    response.input = as_json(found.input)
                if found.outcome is not None:
                    _say_end(response, found.outcome)
                for name, why in found.unreadable:
                    response.unreadable.add(field=name, unreadable=unreadable_message(why))
        return response

    def List(
        self, request: run_pb2.RunServiceListRequest, context: grpc.ServicerContext
    ) -> run_pb2.RunServiceListResponse:
        """One page of headers."""
        size = page_size(request.page_size, RUNS)
        seen = caller_of(context).owners(Role.READ)
        page = self._history.page(
            workflow_id=request.workflow_id,
            workflow_name=request.workflow_name,
            owners={self._owners.checked(request.owner)} if request.owner else seen,
            statuses=[_status(value) for value in request.statuses],
            before=decode_token(request.page_token),
            limit=size + 1,
        )
        explainer = self._history.explainer()
        response = run_pb2.RunServiceListResponse(
            runs=[
                self._message(row)
                if authentic
                else tampered_run_message(row, self._history.header_explained(row, explainer))
                for row, authentic in page[:size]
                # Whose a tampered one is nobody knows, so it is shown only to whoever may see everybody's.
                if authentic or seen is None
            ]
        )
        if len(page) > size:
            last, _ = page[size - 1]
            response.next_page_token = encode_token(last.created_at, last.run_id)
        return response

    def ListEvents(
        self, request: run_pb2.ListEventsRequest, context: grpc.ServicerContext
    ) -> run_pb2.ListEventsResponse:
        """One page of a journal."""
        size = page_size(request.page_size, EVENTS)
        place = decode_token(request.page_token)
        start = place[0] if place else checked_index(request.from_index)
        reason = checked_reason(request.reason)
        wanted = checked_fields(request.fields, EVENT_FIELDS)
        header = self._history.header(request.run_id)
        response = run_pb2.ListEventsResponse()
        with EventMessages(self._history, self._audit, header, wanted, reason) as messages:
            page, complete = self._history.events(request.run_id, start, size)
            response.events.extend(messages.of(event) for event in page)
        if not complete:
            response.next_page_token = encode_token(start + len(page), "")
        return response

    def Cancel(self, request: run_pb2.CancelRequest, context: grpc.ServicerContext) -> run_pb2.CancelResponse:
        """Ask a run to stop."""
        reason = checked_reason(request.reason)
        with self._waiting.taken():
            header = self._engine.cancel(request.run_id, reason, time_left_s(context))
        return run_pb2.CancelResponse(run=self._message(header))

    def Kill(self, request: run_pb2.KillRequest, context: grpc.ServicerContext) -> run_pb2.KillResponse:
        """End a run now."""
        header = self._engine.kill(request.run_id, checked_reason(request.reason))
        return run_pb2.KillResponse(run=self._message(header))

    def Retry(self, request: run_pb2.RetryRequest, context: grpc.ServicerContext) -> run_pb2.RetryResponse:
        """Run it again, from its start or from a step."""
        done = self._retries.retry(request.run_id, request.from_step, request.new_run_id)
        return run_pb2.RetryResponse(run=self._message(done.header), created=done.created, steps_kept=done.steps_kept)

    def Replay(self, request: run_pb2.ReplayRequest, context: grpc.ServicerContext) -> run_pb2.ReplayResponse:
        """Execute it again against its journal and compare."""
        with self._waiting.taken():
            gone = CancelSignal()
            if not context.add_callback(lambda: gone.kill("whoever asked for it is gone")):
                gone.kill("whoever asked for it is gone")
            done = self._replays.replay(request.run_id, time_left_s(context), gone)
        answer = run_pb2.ReplayResponse(
            equal=done.difference is None,
            steps=done.steps,
            time_reads=done.time_reads,
            log_lines=done.log_lines,
            cut_off=done.cut_off,
            run=self._message(done.header),
        )
        if done.difference is not None:
            answer.differs_at = str(done.difference.details["step"])
            answer.difference = done.difference.why
        return answer

    def Export(self, request: run_pb2.ExportRequest, context: grpc.ServicerContext) -> Iterator[run_pb2.ExportResponse]:
        """The run as lines of JSON."""
        return self._streams.export(request, context)

    def Watch(self, request: run_pb2.WatchRequest, context: grpc.ServicerContext) -> Iterator[run_pb2.WatchResponse]:
        """Its events, as they are stored."""
        return self._streams.watch(request, context)

    def Logs(self, request: run_pb2.LogsRequest, context: grpc.ServicerContext) -> Iterator[run_pb2.LogsResponse]:
        """What its guest logged."""
        return self._streams.logs(request, context)

    def GetReceipt(
        self, request: run_pb2.GetReceiptRequest, context: grpc.ServicerContext
    ) -> run_pb2.GetReceiptResponse:
        """What shows in what a confidential run executed, and its result where a reason is given."""
        reason = checked_reason(request.reason)
        last = last_receipt(self._history, request.run_id)
        response = run_pb2.GetReceiptResponse(receipt=last.receipt, run=self._message(last.header))
        if reason:
            with Opening(self._audit, "run.decrypt", last.header, "result of its receipt", reason) as opening:
                response.result = last.kept_result()
                opening.shown = 1
        return response

    def GetKeyMaterial(
        self, request: run_pb2.GetKeyMaterialRequest, context: grpc.ServicerContext
    ) -> run_pb2.GetKeyMaterialResponse:
        """The key of one run, once it is on record who was given it."""
        reason = checked_reason(request.reason)
        if not reason:
            raise InvalidInput(
                "SR-VIEW-007", "a key is given out for a reason only", fix="say why: it is recorded", field="reason"
            )
        header = self._history.header(request.run_id)
        with Opening(self._audit, "run.key", header, "key of the run", reason) as opening:
            material = self._history.key_material(header)
            opening.shown = 1
        return run_pb2.GetKeyMaterialResponse(
            key=material.key,
            derivation_context=dict(material.derivation_context),
            algorithm=material.algorithm,
            kdf=material.kdf,
        )

    def _message(self, header: RunRow) -> run_pb2.Run:
        return run_message(header, wakes_at=self._engine.wakes_at(header))

    def _wish(self, request: run_pb2.StartRequest) -> admission.Start:
        return admission.Start(
            owner=self._owners.checked(request.owner),
            workflow=request.workflow,
            run_id=request.run_id,
            trigger_index=request.trigger_index,
            event_id=request.event_id,
            message=request.message if request.HasField("message") else None,
            json=request.json,
        )


def _say_end(response: run_pb2.ExecuteResponse | run_pb2.RunServiceGetResponse, outcome: Outcome) -> None:
    if outcome.result is not None:
        response.result.CopyFrom(outcome.result.value)
    if outcome.failure is not None:
        response.error = outcome.failure.error
        response.help = outcome.failure.help


def _status(value: int) -> str:
    try:
        return run_pb2.RunStatus.Name(value).removeprefix("RUN_STATUS_").lower()  # type: ignore[arg-type]  # a plain number off the wire
    except ValueError:
        raise InvalidInput(
            "SR-API-004", f"{value} is not a run status", fix="use the values of RunStatus", field="statuses"
        ) from None
