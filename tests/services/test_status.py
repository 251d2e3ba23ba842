"""What of a host's state is shown to whom."""

from strongroom.pb.strongroom.v1 import status_pb2, status_pb2_grpc
from strongroom.services.caller_book import CallerBook
from tests.fakes.callers import bearer, grant, with_token
from tests.services.test_access import A, refusal, serving


def test_who_may_not_see_all_owners_is_not_told_which_workspaces_are_not_open():
    def problems(host, metadata=()):
        with host.channel() as channel:
            stub = status_pb2_grpc.StatusServiceStub(channel)
            answer = stub.Get(status_pb2.StatusServiceGetRequest(with_settings=True), timeout=10, metadata=metadata)
            reasons = [f"{each.check}: {each.why}" for each in answer.health_reasons]
            return list(answer.workspace_problems), reasons, [each.key for each in answer.settings]

    book = CallerBook([with_token("one", "t1", grant(["read"], A)), with_token("all", "t2", grant(["read"]))])
    with serving(book=book, users=frozenset()) as host:
        assert "has not the role read" in refusal(problems, host).details()
        assert problems(host, bearer("t1")) == ([], ["disk: full", "workspaces: one of them is not open"], [])
        reasons = ["disk: full", "workspace notes: it is not open: SR-X"]
        assert problems(host, bearer("t2")) == (["notes is not open"], reasons, ["owner"])
