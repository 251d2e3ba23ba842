"""``strongroom.v1.HookService``."""

from typing import Final

import grpc

from strongroom.engine.auditing import Audit
from strongroom.engine.hook_desk import HookDesk, HookReport
from strongroom.errors import InvalidInput
from strongroom.pb.strongroom.v1 import hook_pb2, hook_pb2_grpc
from strongroom.services.paging import decode_token, encode_token, page_size
from strongroom.services.reasons import Opening, checked_reason

__all__ = ["HookService"]

HOOKS: Final = 50


class HookService(hook_pb2_grpc.HookServiceServicer):
    """Hooks that runs have made."""

    def __init__(self, desk: HookDesk, *, audit: Audit) -> None:
        self._desk = desk
        self._audit = audit

    def Get(
        self, request: hook_pb2.HookServiceGetRequest, context: grpc.ServicerContext
    ) -> hook_pb2.HookServiceGetResponse:
        """One hook; its token and metadata where a reason is given."""
        reason = checked_reason(request.reason)
        header, report = self._desk.get(**_name(request.hook))
        response = hook_pb2.HookServiceGetResponse(hook=_message(report))
        if reason:
            with Opening(self._audit, "run.decrypt", header, f"hook {report.row.hook_id}", reason) as opening:
                created = self._desk.opened(report)
                response.token, response.metadata = created.token, created.metadata
                opening.shown = 1
        return response

    def List(
        self, request: hook_pb2.HookServiceListRequest, context: grpc.ServicerContext
    ) -> hook_pb2.HookServiceListResponse:
        """One page of the hooks of a run."""
        size = page_size(request.page_size, HOOKS)
        place = decode_token(request.page_token)
        found = self._desk.page(request.run_id, after=place[1] if place else "", limit=size + 1)
        response = hook_pb2.HookServiceListResponse(hooks=[_message(report) for report in found[:size]])
        if len(found) > size:
            response.next_page_token = encode_token(0, found[size - 1].row.hook_id)
        return response

    def Resume(self, request: hook_pb2.ResumeRequest, context: grpc.ServicerContext) -> hook_pb2.ResumeResponse:
        """Leave a payload."""
        left = self._desk.resume(request.payload, request.request_id, **_name(request.hook))
        return hook_pb2.ResumeResponse(
            hook_id=left.hook_id, run_id=left.run_id, number=left.number, created=left.created
        )

    def Dispose(self, request: hook_pb2.DisposeRequest, context: grpc.ServicerContext) -> hook_pb2.DisposeResponse:
        """Take a hook away."""
        return hook_pb2.DisposeResponse(hook=_message(self._desk.dispose(**_name(request.hook))))


def _name(untrusted: hook_pb2.HookName) -> dict[str, str]:
    """What a hook is looked for by. Raises ``InvalidInput``."""
    if untrusted.token:
        return {"token": untrusted.token}
    if not untrusted.hook_id:
        raise InvalidInput(
            "SR-HOOK-022", "no hook is named", fix="name it by its token or by its id, hook_…", field="hook"
        )
    return {"hook_id": untrusted.hook_id}


def _message(report: HookReport) -> hook_pb2.Hook:
    """A hook; what is sealed of it is described by its size."""
    row, booked = report.row, report.booked
    if booked is None:
        return hook_pb2.Hook(hook_id=row.hook_id, status=hook_pb2.HOOK_STATUS_TAMPERED)
    status = hook_pb2.HOOK_STATUS_ENDED if report.is_ended else hook_pb2.HOOK_STATUS_OPEN
    message = hook_pb2.Hook(
        hook_id=row.hook_id,
        run_id=row.run_id,
        status=hook_pb2.HOOK_STATUS_DISPOSED if booked.is_disposed else status,
        received=len(booked.payloads),
        unread=booked.unread,
    )
    message.sealed.sealed_bytes, message.sealed.key_version = booked.sealed_bytes, row.key_version
    message.create_time.FromMilliseconds(row.created_at)
    if row.disposed_at:
        message.dispose_time.FromMilliseconds(row.disposed_at)
    return message
