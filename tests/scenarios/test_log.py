"""What a daemon logs when its callers misbehave."""

import grpc
import pytest

from strongroom.pb.strongroom.v1 import status_pb2


def test_bytes_that_are_no_message_are_the_callers_fault_and_no_news(small):
    small.start()
    with small.channel() as api:
        call = api.channel.unary_unary("/strongroom.v1.WorkflowService/Get")
        with pytest.raises(grpc.RpcError) as caught:
            call(b"\xff\xff garbage", timeout=20)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "no message of the kind" in caught.value.details()
        assert api.status.Get(status_pb2.StatusServiceGetRequest(), timeout=20).state == "ready"
    small.stop()
    lines = [line for line in small.log if "grpc" in line or "traceback" in line.lower()]
    assert not lines
