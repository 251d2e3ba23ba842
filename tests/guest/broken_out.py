"""Runners whose guest broke out, as far as their host can see: they say what a test wants, and read what it wants.

Each is a real process that was started as a runner and given other code to serve with.
"""

import os
import socket
import struct
import sys
import time

from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.pb.strongroom.runner.v1 import runner_pb2

FOREVER_S = 600


def framed(**message):
    """One frame."""
    data = runner_pb2.FromRunner(**message).SerializeToString()
    return struct.pack(">I", len(data)) + data


def result():
    """The end of a run that went well."""
    answer = sdk_pb2.ExecutionResult()
    answer.value.string_value = "mine"
    return framed(finished=runner_pb2.Finished(outcome=1, result=answer.SerializeToString()))


def calls(count):
    """That many calls, each of them once."""
    return b"".join(framed(capability_call=sdk_pb2.CapabilityRequest(id="x@1", callback_id=n)) for n in range(count))


def act(name, link):
    """What it does in a run."""
    if name == "asks for the time and reads nothing":
        question = framed(now_call=runner_pb2.NowCall(mode=1)) * 1_000
        while True:
            link.sendall(question)
    if name == "does not read its answers":
        link.sendall(calls(3))
    if name == "does not read its answers and is done":
        link.sendall(calls(3))
        link.sendall(result())
    if name == "uses an id twice":
        link.sendall(calls(1) * 2)
    if name == "sends a frame of 40 MB":
        link.sendall(framed(log_line=runner_pb2.LogLine(mode=1, line="L" * 40_000_000)))
    if name == "sends descriptors":
        socket.send_fds(link, [result()], [0, 1, 2])
    if name == "waits for nothing":
        link.sendall(framed(finished=runner_pb2.Finished(outcome=6, waits=runner_pb2.Waits(slot=True))))
    if name == "says it was cancelled":
        link.sendall(framed(finished=runner_pb2.Finished(outcome=4, error="by nobody")))
    time.sleep(FOREVER_S)


def main():
    """Say that it is ready, and begin with the first order."""
    link = socket.socket(fileno=int(sys.argv[3]))
    link.sendall(framed(ready=runner_pb2.Ready(pid=os.getpid(), engine_id=sys.argv[2])))
    link.recv(1)
    act(sys.argv[1], link)


if __name__ == "__main__":
    main()
