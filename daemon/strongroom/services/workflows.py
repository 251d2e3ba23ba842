"""``strongroom.v1.WorkflowService``."""

from collections.abc import Callable

import grpc

from strongroom.engine.catalog import Catalog
from strongroom.engine.registration import Owners, Registration, Wish
from strongroom.engine.specs import Spec, TamperedSpec
from strongroom.engine.subscriptions import TriggerDesk
from strongroom.pb.strongroom.v1 import workflow_pb2, workflow_pb2_grpc
from strongroom.services.callers import caller_of
from strongroom.services.convert import tampered_workflow_message, workflow_message
from strongroom.services.limits import limits_in_force
from strongroom.services.paging import decode_token, encode_token, page_size
from strongroom.services.places import Places, registering, time_left_s
from strongroom.settings.limits import LimitSettings
from strongroom.settings.roles import Role

__all__ = ["WorkflowService"]

PAGE_SIZE = 50


class WorkflowService(workflow_pb2_grpc.WorkflowServiceServicer):
    """Registered workflows."""

    def __init__(
        self,
        registration: Registration,
        catalog: Catalog,
        owners: Owners,
        desk: TriggerDesk,
        *,
        limits: Callable[[], LimitSettings],
        waiting: Places,
    ) -> None:
        """``limits`` gives those that are in force now."""
        self._registration = registration
        self._catalog = catalog
        self._owners = owners
        self._desk = desk
        self._limits = limits
        self._waiting = waiting
        self._registering = registering()

    def Register(
        self, request: workflow_pb2.RegisterRequest, context: grpc.ServicerContext
    ) -> workflow_pb2.RegisterResponse:
        """Register a workflow."""
        wish = Wish(
            binary=request.binary,
            name=request.name,
            tag=request.tag,
            owner=request.owner,
            config=request.config,
            attributes=request.attributes,
            validate_only=request.validate_only,
        )
        with self._registering.taken():
            done = self._registration.register(wish)
        return workflow_pb2.RegisterResponse(workflow=self._described(done.spec, done.warnings), created=done.created)

    def Get(
        self, request: workflow_pb2.WorkflowServiceGetRequest, context: grpc.ServicerContext
    ) -> workflow_pb2.WorkflowServiceGetResponse:
        """One workflow."""
        spec = self._catalog.get(self._owners.checked(request.owner), request.workflow)
        return workflow_pb2.WorkflowServiceGetResponse(workflow=self._described(spec))

    def List(
        self, request: workflow_pb2.WorkflowServiceListRequest, context: grpc.ServicerContext
    ) -> workflow_pb2.WorkflowServiceListResponse:
        """One page of workflows."""
        size = page_size(request.page_size, PAGE_SIZE)
        seen = caller_of(context).owners(Role.READ)
        owners = {self._owners.checked(request.owner)} if request.owner else seen
        page = self._catalog.page(owners, decode_token(request.page_token), size + 1)
        response = workflow_pb2.WorkflowServiceListResponse()
        for entry in page[:size]:
            if not isinstance(entry, TamperedSpec):
                response.workflows.append(self._described(entry))
            elif seen is None:
                # Whose it is nobody knows, so it is shown only to whoever may see everybody's.
                response.workflows.append(tampered_workflow_message(entry))
        if len(page) > size:
            last = page[size - 1]
            response.next_page_token = encode_token(*last.position)
        return response

    def Pause(self, request: workflow_pb2.PauseRequest, context: grpc.ServicerContext) -> workflow_pb2.PauseResponse:
        """Stop new runs."""
        spec = self._catalog.pause(self._owners.checked(request.owner), request.workflow)
        return workflow_pb2.PauseResponse(workflow=self._described(spec))

    def Activate(
        self, request: workflow_pb2.ActivateRequest, context: grpc.ServicerContext
    ) -> workflow_pb2.ActivateResponse:
        """Allow new runs."""
        spec = self._catalog.activate(self._owners.checked(request.owner), request.workflow)
        return workflow_pb2.ActivateResponse(workflow=self._described(spec))

    def Delete(
        self, request: workflow_pb2.WorkflowServiceDeleteRequest, context: grpc.ServicerContext
    ) -> workflow_pb2.WorkflowServiceDeleteResponse:
        """Forget a workflow."""
        owner = self._owners.checked(request.owner)
        if not request.drain:
            gone = self._catalog.delete(owner, request.workflow, validate_only=request.validate_only)
            return workflow_pb2.WorkflowServiceDeleteResponse(workflow_id=gone)
        if request.validate_only:
            # Unfinished runs are what draining is for, and no reason against it.
            found, unfinished = self._catalog.unfinished(owner, request.workflow)
            return workflow_pb2.WorkflowServiceDeleteResponse(workflow_id=found, runs_unfinished=unfinished)
        drain_s = time_left_s(context)
        if request.drain_ms:
            drain_s = min(drain_s, request.drain_ms / 1000)
        with self._waiting.taken():
            gone = self._catalog.delete(owner, request.workflow, validate_only=False, drain_s=drain_s)
        return workflow_pb2.WorkflowServiceDeleteResponse(workflow_id=gone)

    def _described(self, spec: Spec, warnings: list[str] | None = None) -> workflow_pb2.Workflow:
        return workflow_message(spec, self._registration, self._desk.report(spec.workflow_id), warnings)

    def GetLimits(
        self, request: workflow_pb2.GetLimitsRequest, context: grpc.ServicerContext
    ) -> workflow_pb2.GetLimitsResponse:
        """Every limit of a guest."""
        return workflow_pb2.GetLimitsResponse(limits=limits_in_force(self._limits()))
