"""Answers of capabilities out of a file: capability id, method, and then one answer for all calls, or a list in order.

    http-actions@1.0.0-alpha:
      SendRequest:
        - answer: {statusCode: 200, body: {json: {price: "3120.50"}}}
          delay_ms: 50
        - error: "Public:User:NotFound:no such pair"

Answers are handed out in the order in which the guest starts its calls, not in the one in which they end.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.errors import CapabilityError, InvalidInput, Misconfigured
from strongroom.pb.sdk.v1alpha import sdk_pb2
from strongroom.plugin.error_text import format_error
from strongroom.registry.ids import nothing_for
from strongroom.settings.yaml_file import Document, read_document
from strongroom.testing.messages import answer_type, message_of, type_named
from strongroom.testing.observer import CONSENSUS, observe

__all__ = ["MOCKS_BYTES_MAX", "Mocks", "MocksOfOneRun"]

MOCKS_BYTES_MAX: Final = 4_000_000
"""Answers of a run; larger ones belong into a test, where a function makes them."""
DELAY_MS_MAX: Final = 600_000
"""Twice the time of a run: what is later than that is never."""
KEYS: Final = frozenset({"answer", "error", "delay_ms", "type"})


@dataclass(frozen=True, slots=True)
class Mock:
    """One answer, and how long it takes."""

    response: sdk_pb2.CapabilityResponse
    delay_ms: int = 0


@dataclass(frozen=True, slots=True)
class Mocks:
    """What a file says. A method with ``every`` has one answer for all calls, otherwise one for each call."""

    every: Mapping[tuple[str, str], Mock]
    ordered: Mapping[tuple[str, str], Sequence[Mock]]

    @classmethod
    def of_file(cls, path: Path | None) -> "Mocks":
        """Those of the file at ``path``, YAML or JSON; none without a file. Raises ``InvalidInput``."""
        every: dict[tuple[str, str], Mock] = {}
        ordered: dict[tuple[str, str], Sequence[Mock]] = {}
        if path is not None:
            try:
                document = read_document(path, bytes_max=MOCKS_BYTES_MAX)
            except Misconfigured as error:
                raise _wrong(str(error)) from error
            for method, place, value in _methods(document):
                if isinstance(value, list):
                    ordered[method] = [_mock(method, f"{place}[{n}]", item) for n, item in enumerate(value)]
                else:
                    every[method] = _mock(method, place, value)
        return cls(every, ordered)


class MocksOfOneRun:
    """Hands answers out, and remembers which calls had none. One that takes longer than a call may is a failed call."""

    def __init__(self, mocks: Mocks, *, call_timeout_ms: int) -> None:
        self._mocks = mocks
        self._call_timeout_ms = call_timeout_ms
        self._used: dict[tuple[str, str], int] = {}
        self._chosen: dict[int, Mock] = {}
        self.missing: list[sdk_pb2.CapabilityRequest] = []

    def begin(self, request: sdk_pb2.CapabilityRequest) -> None:
        """Choose the answer of a call that is started now."""
        method = (request.id, request.method)
        mock = self._mocks.every.get(method)
        if method in self._mocks.ordered:
            number = self._used[method] = self._used.get(method, 0) + 1
            listed = self._mocks.ordered[method]
            mock = listed[number - 1] if number <= len(listed) else None
        if mock is not None:
            self._chosen[request.callback_id] = mock

    def answer(self, request: sdk_pb2.CapabilityRequest) -> sdk_pb2.CapabilityResponse:
        """The answer that was chosen. Consensus without a mock agrees with its one observer."""
        method = (request.id, request.method)
        mock = self._chosen.pop(request.callback_id, None)
        if mock is None:
            listed = self._mocks.ordered.get(method)
            if method == CONSENSUS and listed is None:
                return observe(request)
            self.missing.append(request)
            if listed is None:
                return _failed("NotFound", f"action capability not found: {nothing_for(request.id)}")
            return _failed("ResourceExhausted", f"the mock of {' '.join(method)} has {len(listed)} answers")
        time.sleep(min(mock.delay_ms, self._call_timeout_ms) / 1000)
        if mock.delay_ms > self._call_timeout_ms:
            return _failed("DeadlineExceeded", f"no answer within {self._call_timeout_ms} ms")
        return mock.response


def _methods(document: Document) -> Iterator[tuple[tuple[str, str], str, Any]]:  # Any: YAML
    for capability, methods in document.data.items():
        if not isinstance(methods, dict):
            raise _wrong(f"{document.where(capability)}: below a capability id stand its methods")
        for method, value in methods.items():
            yield (capability, method), document.where(f"{capability}.{method}"), value


def _mock(method: tuple[str, str], place: str, value: Any) -> Mock:  # Any: YAML
    if not isinstance(value, dict) or not KEYS.issuperset(value) or len({"answer", "error"} & value.keys()) != 1:
        raise _wrong(f"{place}: it takes `answer` or `error`, and may have `delay_ms` and `type`")
    delay_ms = value.get("delay_ms", 0)
    if not isinstance(delay_ms, int) or isinstance(delay_ms, bool) or not 0 <= delay_ms <= DELAY_MS_MAX:
        raise _wrong(f"{place}.delay_ms: it must be a whole number from 0 to {DELAY_MS_MAX}")
    if "error" in value:
        if not isinstance(value["error"], str) or not value["error"]:
            raise _wrong(f"{place}.error: it must be a text, such as Public:User:NotFound:no such thing")
        return Mock(sdk_pb2.CapabilityResponse(error=value["error"]), delay_ms)
    kind = type_named(str(value["type"])) if "type" in value else answer_type(*method)
    if kind is None:
        raise _wrong(f"{place}: what {' '.join(method)} answers is not known here; name a known message with `type`")
    response = sdk_pb2.CapabilityResponse()
    try:
        response.payload.Pack(message_of(kind, value["answer"]))
    except ValueError as error:
        raise _wrong(f"{place}.answer: {error}") from error
    return Mock(response, delay_ms)


def _failed(name: str, text: str) -> sdk_pb2.CapabilityResponse:
    return sdk_pb2.CapabilityResponse(error=format_error(CapabilityError("Public", "System", name, text)))


def _wrong(why: str) -> InvalidInput:
    return InvalidInput(
        "SR-SIM-001",
        "the mock file cannot be used",
        why=why,
        fix="docs/testing.md shows the form; a call without a mock is listed with one that can be pasted",
        field="--mock",
    )
