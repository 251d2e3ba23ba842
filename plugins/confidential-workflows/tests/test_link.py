"""The runner's end of the link: what it takes, and that it ends the process for everything else."""

import socket
import threading

import pytest

from strongroom.errors import Cancelled, TimedOut
from strongroom.guest.frames import Frames
from strongroom_confidential_workflows.enclave.link import EXIT_LINK_BROKEN, EXIT_LINK_ENDED, Link
from strongroom_confidential_workflows.limits import FRAME_BYTES_MAX
from strongroom_confidential_workflows.messages import (
    BinaryChunk,
    Cancel,
    CapabilityAnswer,
    CapabilityCall,
    ChallengeAnswer,
    ChallengeCall,
    Configure,
    Finished,
    ReleaseAnswer,
    Start,
    encode,
)
from tests.fakes.vault_owner import ALICE

CONFIGURE = Configure(enclave_config=b"c", evidence_kind="insecure-software")
CALL = CapabilityCall(call_id=1, body=b"b", signature=b"s")
ASKED = ChallengeCall(execution_id="e", workflow_id="w", owner="o")


class Exited(BaseException):
    """The process would have ended."""


class Ends:
    """A link and the plugin's end of it; ``code`` is the exit code, once there is one."""

    def __init__(self):
        ours, theirs = socket.socketpair()
        self.plugin = Frames(ours)
        self.frames = Frames(theirs, frame_bytes_max=FRAME_BYTES_MAX)
        self.exited = threading.Event()
        self.code = None
        self.link = Link(self.frames, exit_process=self._exit)

    def _exit(self, code):
        self.code = code
        self.exited.set()
        raise Exited

    def say(self, *messages):
        for message in messages:
            self.plugin.send(encode(message))

    def read_all(self):
        """Read in this thread until the process would have ended: the exit code."""
        self.plugin.close()
        return self.read()

    def read(self):
        """The same, with the plugin's end left open."""
        with pytest.raises(Exited):
            self.link._read()
        return self.code


@pytest.fixture
def ends():
    made = Ends()
    yield made
    made.plugin.close()
    made.frames.close()


def start(binary_bytes):
    return Start(request=b"r", owner=ALICE, timeout_ms=1, binary_bytes=binary_bytes)


def test_a_runner_is_configured_by_its_first_message(ends):
    ends.say(CONFIGURE)
    assert ends.link.configure() == CONFIGURE


@pytest.mark.parametrize(
    ("message", "code"), [(Cancel(reason="not needed"), 0), (start(0), EXIT_LINK_BROKEN)], ids=["cancel", "start"]
)
def test_a_runner_that_is_not_configured_does_nothing(ends, message, code):
    ends.say(message)
    with pytest.raises(Exited):
        ends.link.configure()
    assert ends.code == code


def test_an_execution_is_handed_over_when_its_last_piece_is_there(ends):
    ends.say(start(5), BinaryChunk(data=b"wa"), BinaryChunk(data=b"sm!"))
    assert ends.read_all() == EXIT_LINK_ENDED
    assert ends.link.wait_for_start() == (start(5), b"wasm!")


def test_an_empty_binary_is_complete_at_once(ends):
    ends.say(start(0))
    assert ends.read_all() == EXIT_LINK_ENDED
    assert ends.link.wait_for_start() == (start(0), b"")


@pytest.mark.parametrize(
    "said",
    [
        [CONFIGURE],
        [BinaryChunk(data=b"w")],
        [start(1), start(1)],
        [start(1), BinaryChunk(data=b"")],
        [start(1), BinaryChunk(data=b"wa")],
        [start(1), BinaryChunk(data=b"w"), BinaryChunk(data=b"a")],
        [start(0), BinaryChunk(data=b"w")],
        [ChallengeAnswer()],
        [ReleaseAnswer()],
    ],
    ids=[
        "configured again",
        "a piece before the start",
        "started again",
        "an empty piece",
        "more than was announced",
        "a piece after the last",
        "a piece of nothing",
        "an answer to nothing",
        "a release of nothing",
    ],
)
def test_a_message_that_has_no_place_ends_the_runner(ends, said):
    ends.say(*said)
    assert ends.read() == EXIT_LINK_BROKEN


@pytest.mark.parametrize("frame", [b"", b"\xff", b"\xa0", encode(Finished(outcome="result"))], ids=repr)
def test_a_frame_that_is_no_message_of_the_plugin_ends_the_runner(ends, frame):
    ends.plugin.send(frame)
    assert ends.read() == EXIT_LINK_BROKEN


def test_a_frame_that_is_too_large_ends_the_runner_before_it_is_read(ends):
    ends.plugin._socket.sendall((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))
    assert ends.read() == EXIT_LINK_BROKEN


def test_a_runner_ends_when_its_plugin_does(ends):
    assert ends.read_all() == EXIT_LINK_ENDED


def test_a_spare_that_is_cancelled_ends(ends):
    ends.say(Cancel(reason="not needed"))
    assert ends.read() == 0


def ask_beside(ends, question):
    """What comes of ``question`` on a thread of its own, once the thread has asked."""
    answers = []

    def ask():
        try:
            answers.append(question())
        except (Cancelled, TimedOut) as error:
            answers.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    assert ends.plugin.receive(20) is not None
    return asking, answers


def test_answers_find_their_questions(ends):
    asking, answers = ask_beside(ends, lambda: ends.link.challenge(ASKED))
    ends.say(ChallengeAnswer(attempt=2))
    calling, called = ask_beside(ends, lambda: ends.link.call_capability(CALL))
    ends.say(CapabilityAnswer(call_id=9, response=b"nobody's"), CapabilityAnswer(call_id=1, response=b"r"))
    ends.say(CapabilityAnswer(call_id=1, response=b"second"))
    ends.read_all()
    asking.join(20)
    calling.join(20)
    assert (answers, called) == ([ChallengeAnswer(attempt=2)], [b"r"])


def test_an_answer_of_the_other_kind_ends_the_runner(ends):
    asking, _ = ask_beside(ends, lambda: ends.link.challenge(ASKED))
    ends.say(ReleaseAnswer())
    assert ends.read() == EXIT_LINK_BROKEN
    ends.link._cancel("over")
    asking.join(20)


def test_a_cancellation_stops_the_guest_and_whoever_waits(ends):
    stopped = []
    ends.link.on_cancel(stopped.append)
    ends.say(start(0))
    asking, answers = ask_beside(ends, lambda: ends.link.call_capability(CALL))
    ends.say(Cancel(reason="a person asked"))
    ends.read_all()
    asking.join(20)
    assert stopped == ["a person asked"]
    assert str(answers[0]).startswith("the execution was cancelled: a person asked")
    with pytest.raises(Cancelled):
        ends.link.challenge(ASKED)


def test_an_answer_that_does_not_come_in_time_is_an_error(ends):
    ends.link.deadline = 0.0
    with pytest.raises(TimedOut, match="used up its time"):
        ends.link.challenge(ASKED)
