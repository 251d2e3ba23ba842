"""``strongroom.v1.WorldService``."""

from collections.abc import Callable, Sequence
from typing import Final

import grpc

from strongroom.engine.auditing import Audit
from strongroom.engine.registration import Owners
from strongroom.engine.world.runs import Report
from strongroom.engine.world.views import RunView
from strongroom.engine.world.world import World
from strongroom.errors import InvalidInput, KeyMissing, NotFound, Tampered
from strongroom.pb.strongroom.v1 import world_pb2, world_pb2_grpc
from strongroom.services.callers import Caller, caller_of
from strongroom.services.paging import decode_token, encode_token, page_size
from strongroom.services.places import Places, time_left_s
from strongroom.services.reasons import Opening, checked_reason
from strongroom.services.world_messages import (
    answer_message,
    draft_of,
    event_message,
    hook_message,
    run_message,
    step_message,
    wait_message,
)
from strongroom.settings.roles import Role
from strongroom.storage.runs import RunRow

__all__ = ["WorldService"]

PAGE: Final = 50
EVENTS: Final = 100
PAGE_BYTES: Final = 4_000_000
"""A page of runs with contents ends once they are that large together."""
ASCENDING: Final = "asc"
DESCENDING: Final = "desc"


class WorldService(world_pb2_grpc.WorldServiceServicer):
    """Runs that others execute."""

    def __init__(self, world: World, owners: Owners, *, waiting: Places, audit: Audit) -> None:
        self._world = world
        self._owners = owners
        self._waiting = waiting
        self._audit = audit

    def GetInfo(
        self, request: world_pb2.WorldServiceGetInfoRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceGetInfoResponse:
        """Which contract this is."""
        return world_pb2.WorldServiceGetInfoResponse(spec_version=self._world.spec_version)

    def CreateEvent(
        self, request: world_pb2.WorldServiceCreateEventRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceCreateEventResponse:
        """Append an event."""
        owner = self._owners.checked(request.owner)
        return answer_message(self._world.events.create(request.run_id, draft_of(request.event), owner=owner))

    def CreateEvents(
        self, request: world_pb2.WorldServiceCreateEventsRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceCreateEventsResponse:
        """Append several, all or none."""
        owner = self._owners.checked(request.owner)
        drafts = [draft_of(event) for event in request.events]
        answers = self._world.events.create_batch(request.run_id, drafts, owner=owner)
        return world_pb2.WorldServiceCreateEventsResponse(results=map(answer_message, answers))

    def GetEvent(
        self, request: world_pb2.WorldServiceGetEventRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceGetEventResponse:
        """One event."""
        reason = checked_reason(request.reason)
        found = self._world.reader.get(request.run_id, request.event_id)
        self._record([found.header], "data of an event", reason)
        return world_pb2.WorldServiceGetEventResponse(event=event_message(found.event, opened=bool(reason)))

    def ListEvents(
        self, request: world_pb2.WorldServiceListEventsRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceListEventsResponse:
        """One page of a journal."""
        reason, size = checked_reason(request.reason), page_size(request.page_size, EVENTS)
        order = DESCENDING if request.descending else ASCENDING
        name = f"{request.run_id} {order}"
        cursor = _place(request.page_token, name)
        page = self._world.reader.list(request.run_id, cursor=cursor, limit=size, descending=request.descending)
        self._record([page.header] if page.events else [], "data of events", reason)
        response = world_pb2.WorldServiceListEventsResponse(
            events=[event_message(event, opened=bool(reason)) for event in page.events]
        )
        if page.has_more:
            response.next_page_token = encode_token(page.cursor, name)
        return response

    def ListEventsByCorrelation(
        self, request: world_pb2.WorldServiceListEventsByCorrelationRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceListEventsByCorrelationResponse:
        """One page of the events of a step, hook or wait."""
        reason, size = checked_reason(request.reason), page_size(request.page_size, EVENTS)
        place = decode_token(request.page_token)
        found, has_more = self._world.reader.of_correlation(
            request.correlation_id,
            run_id=request.run_id,
            behind=(place[1], place[0]) if place else None,
            limit=size,
            descending=request.descending,
            is_allowed=_allowed(caller_of(context), Role.DECRYPT if reason else Role.READ),
        )
        self._record(list({each.header.run_id: each.header for each in found}.values()), "data of events", reason)
        response = world_pb2.WorldServiceListEventsByCorrelationResponse(
            events=[event_message(each.event, opened=bool(reason)) for each in found]
        )
        if has_more:
            last = found[-1].event.row
            response.next_page_token = encode_token(last.index, last.run_id)
        return response

    def GetRun(
        self, request: world_pb2.WorldServiceGetRunRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceGetRunResponse:
        """One run."""
        reason = checked_reason(request.reason)
        report = self._world.runs.get(request.run_id, opened=bool(reason))
        return world_pb2.WorldServiceGetRunResponse(run=self._runs([report], reason)[0])

    def GetRuns(
        self, request: world_pb2.WorldServiceGetRunsRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceGetRunsResponse:
        """Several runs, as far as they are there for the caller."""
        reason = checked_reason(request.reason)
        allowed = _allowed(caller_of(context), Role.DECRYPT if reason else Role.READ)
        found = self._world.runs.get_many(request.run_ids, opened=bool(reason), is_allowed=allowed)
        return world_pb2.WorldServiceGetRunsResponse(runs=self._runs(found, reason))

    def ListRuns(
        self, request: world_pb2.WorldServiceListRunsRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceListRunsResponse:
        """One page of runs."""
        reason, size = checked_reason(request.reason), page_size(request.page_size, PAGE)
        seen = caller_of(context).owners(Role.DECRYPT if reason else Role.READ)
        found = self._world.runs.list(
            owners={self._owners.checked(request.owner)} if request.owner else seen,
            workflow_name=request.workflow_name,
            status=request.status,
            before=decode_token(request.page_token),
            limit=size + 1,
        )
        reports, last, content_bytes = [], None, 0
        for header, view in found[:size]:
            if content_bytes >= PAGE_BYTES:
                break
            last = header
            # What failed authentication is whose nobody knows; strongroom run list shows it.
            if view is not None and (shown := self._shown(header, view, opened=bool(reason))) is not None:
                reports.append(shown)
                content_bytes += shown.content_bytes
        response = world_pb2.WorldServiceListRunsResponse(runs=self._runs(reports, reason))
        if last is not None and last is not found[-1][0]:
            response.next_page_token = encode_token(last.created_at, last.run_id)
        return response

    def WaitForRun(
        self, request: world_pb2.WorldServiceWaitForRunRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceWaitForRunResponse:
        """The run once it has ended."""
        reason = checked_reason(request.reason)
        with self._waiting.taken():
            report = self._world.runs.wait(request.run_id, time_left_s(context), is_wanted=context.is_active)
        if reason:
            report = self._world.runs.get(request.run_id, opened=True)
        return world_pb2.WorldServiceWaitForRunResponse(run=self._runs([report], reason)[0])

    def CancelRuns(
        self, request: world_pb2.WorldServiceCancelRunsRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceCancelRunsResponse:
        """Cancel several runs."""
        allowed = _allowed(caller_of(context), Role.RUN)
        results = []
        for done in self._world.runs.cancel_many(request.run_ids, request.cancel_reason, is_allowed=allowed):
            message = world_pb2.WorldCancelled(run_id=done.run_id, cancelled=done.header is not None)
            if done.error is not None:
                message.code, message.error = done.error.code, str(done.error)
            results.append(message)
        return world_pb2.WorldServiceCancelRunsResponse(results=results)

    def GetStep(
        self, request: world_pb2.WorldServiceGetStepRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceGetStepResponse:
        """One step."""
        reason = checked_reason(request.reason)
        shown = self._world.steps.get(request.run_id, request.step_id, opened=bool(reason))
        self._record([shown.header], "a step", reason)
        return world_pb2.WorldServiceGetStepResponse(step=step_message(shown))

    def ListSteps(
        self, request: world_pb2.WorldServiceListStepsRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceListStepsResponse:
        """One page of steps."""
        reason, size = checked_reason(request.reason), page_size(request.page_size, PAGE)
        start = _place(request.page_token, request.run_id) or 0
        page = self._world.steps.list(request.run_id, start=start, limit=size, opened=bool(reason))
        self._record([page.header] if page.shown else [], "steps", reason)
        response = world_pb2.WorldServiceListStepsResponse(steps=map(step_message, page.shown))
        if page.has_more:
            response.next_page_token = encode_token(start + len(page.shown), request.run_id)
        return response

    def ListWaits(
        self, request: world_pb2.WorldServiceListWaitsRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceListWaitsResponse:
        """One page of waits."""
        size, start = page_size(request.page_size, PAGE), _place(request.page_token, request.run_id) or 0
        page = self._world.waits.list(request.run_id, start=start, limit=size)
        response = world_pb2.WorldServiceListWaitsResponse(waits=map(wait_message, page.shown))
        if page.has_more:
            response.next_page_token = encode_token(start + len(page.shown), request.run_id)
        return response

    def GetHook(
        self, request: world_pb2.WorldServiceGetHookRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceGetHookResponse:
        """One hook."""
        reason = checked_reason(request.reason)
        opened, hooks = bool(reason), self._world.hooks
        if request.token:
            shown = hooks.get_by_token(request.token, opened=opened)
        elif request.run_id:
            shown = hooks.get(request.run_id, request.hook_id, opened=opened)
        else:
            shown = hooks.get_by_id(request.hook_id, opened=opened)
        self._record([shown.header], "a hook", reason)
        return world_pb2.WorldServiceGetHookResponse(hook=hook_message(shown))

    def ListHooks(
        self, request: world_pb2.WorldServiceListHooksRequest, context: grpc.ServicerContext
    ) -> world_pb2.WorldServiceListHooksResponse:
        """One page of hooks."""
        reason, size = checked_reason(request.reason), page_size(request.page_size, PAGE)
        start = _place(request.page_token, request.run_id) or 0
        page = self._world.hooks.list(request.run_id, start=start, limit=size, opened=bool(reason))
        self._record([page.header] if page.shown else [], "hooks", reason)
        response = world_pb2.WorldServiceListHooksResponse(hooks=map(hook_message, page.shown))
        if page.has_more:
            response.next_page_token = encode_token(start + len(page.shown), request.run_id)
        return response

    def _shown(self, header: RunRow, view: RunView, *, opened: bool) -> Report | None:
        """A run of a list; nothing where it is gone by now, or does not open: it takes no other from the page."""
        if not opened:
            return Report(header, view)
        try:
            return self._world.runs.get(header.run_id, opened=True)
        except (NotFound, Tampered, KeyMissing):
            return None

    def _runs(self, reports: Sequence[Report], reason: str) -> list[world_pb2.WorldRun]:
        """Runs as messages; what is opened of them is on record first."""
        self._record([report.header for report in reports], "input, output, error, attributes", reason)
        return [run_message(report.header, report.view, report.data) for report in reports]

    def _record(self, headers: Sequence[RunRow], what: str, reason: str) -> None:
        """Have it on record that something of these runs is shown, before it is."""
        for header in headers if reason else ():
            with Opening(self._audit, "run.decrypt", header, what, reason) as opening:
                opening.shown = 1


def _allowed(caller: Caller, role: Role) -> Callable[[RunRow], bool]:
    return lambda header: caller.may(role, header.workflow_owner)


def _place(untrusted_token: str, name: str) -> int | None:
    """Where a page of the list ``name`` starts. Raises ``InvalidInput`` for the token of another list."""
    place = decode_token(untrusted_token)
    if place is not None and place[1] != name:
        raise InvalidInput(
            "SR-WORLD-038",
            "the page token is of another list",
            fix="hand back next_page_token with the request that it came from",
            field="page_token",
        )
    return place[0] if place is not None else None
