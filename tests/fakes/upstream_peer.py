"""A device of the older system: V2 updates without an outer message type, and JSON in text frames."""

import json
from collections import deque

from strongroom.workspace.document import Document
from strongroom.workspace.yjs import frames
from strongroom.workspace.yjs.convert import v1_to_v2, v2_to_v1
from tests.fakes.relay_rig import WAIT_S


class UpstreamPeer:
    """What such a device does on a socket, one step at a time. ``texts`` keeps what was said in JSON."""

    def __init__(self, socket, guid="notes"):
        self.socket = socket
        self.document = Document(guid)
        self.texts = []
        self._early = deque()

    def joined(self):
        """Wait until the relay has let it into the room; what came meanwhile is still to be read."""
        while not self._early or isinstance(self._early[-1], str):
            self._early.append(self.socket.recv(WAIT_S))
        return self

    def _recv(self):
        return self._early.popleft() if self._early else self.socket.recv(WAIT_S)

    def text(self, kind=None):
        """The next text frame, of a kind if one is named; binary frames on the way are taken in."""
        while True:
            message = self._recv()
            if isinstance(message, bytes):
                self.take(message)
            elif message == "pong":
                self.texts.append(message)
                if kind == "pong":
                    return message
            else:
                said = json.loads(message)
                self.texts.append(said)
                if kind in {None, said["type"]}:
                    return said

    def binary(self):
        """The next binary frame; text on the way is kept."""
        while True:
            message = self._recv()
            if isinstance(message, bytes):
                return message
            self.texts.append(message if message == "pong" else json.loads(message))

    def take(self, frame):
        """Do what a frame says."""
        match frames.decode(frame):
            case frames.Step1(state_vector):
                self.socket.send(frames.step2(v1_to_v2(self.document.update_since(state_vector))))
            case frames.Step2(update) | frames.Update(update):
                self.document.apply(v2_to_v1(update))

    def sync(self):
        """Ask for everything, and take in what comes until the answer has come."""
        self.socket.send(frames.step1(self.document.state_vector()))
        while True:
            frame = self.binary()
            self.take(frame)
            if isinstance(frames.decode(frame), frames.Step2):
                return self

    def push(self, *values, array="kv"):
        """Make a change and send it."""
        before = self.document.state_vector()
        with self.document.transaction():
            self.document.array(array).extend(list(values))
        self.socket.send(frames.update(v1_to_v2(self.document.update_since(before))))

    def say(self, **frame):
        """Send a text frame."""
        self.socket.send(json.dumps(frame))

    def others(self, devices=None):
        """Device ids of the next presence frame, or of the first that has these."""
        while True:
            found = sorted(each["deviceId"] for each in self.text("presence")["devices"])
            if devices is None or found == sorted(devices):
                return found
