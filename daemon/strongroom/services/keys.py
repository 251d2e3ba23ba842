"""``strongroom.v1.KeysService``."""

from collections.abc import Iterator
from typing import Final

import grpc
from google.protobuf import timestamp_pb2

from strongroom.engine.key_desk import KeyDesk
from strongroom.engine.rotation import Progress
from strongroom.errors import InvalidInput, LimitExceeded
from strongroom.keyring.sources import SecretSource
from strongroom.keyring.versions import VERSION_MAX, VERSION_MIN
from strongroom.pb.strongroom.v1 import keys_pb2, keys_pb2_grpc
from strongroom.services.places import Places

__all__ = ["KeyService"]

FOLLOWERS_MAX: Final = 4
"""Calls that follow the one job at once: a person or two, and a script."""
INTERVAL_S: Final = 0.25
"""Between two messages about how the job stands; faster than anybody reads."""
FORGET_MAX: Final = 100
"""Copies that one call leaves behind. More is a mistake."""
NAME_CHARS_MAX: Final = 4_096
"""A project is named by its directory, and a path has no more."""


class KeyService(keys_pb2_grpc.KeysServiceServicer):
    """Keys of this host."""

    def __init__(self, desk: KeyDesk, source: SecretSource) -> None:
        self._desk = desk
        self._source = source
        self._places = Places(FOLLOWERS_MAX, "calls follow the job", "look with strongroom keys status")

    def Status(
        self, request: keys_pb2.KeysServiceStatusRequest, context: grpc.ServicerContext
    ) -> keys_pb2.KeysServiceStatusResponse:
        """How the keys stand, counted now."""
        status = self._desk.status()
        answer = keys_pb2.KeysServiceStatusResponse(
            writing_version=status.writing_version,
            promoted=status.is_promoted,
            rewrap=_progress(status.rewrap),
            source_kind=self._source.kind,
            source=self._source.where,
        )
        for version in status.versions:
            answer.versions.add(
                version=version.version,
                key_id=version.key_id,
                state=version.state,
                held=version.is_held,
                create_time=_time(version.created_at),
                retire_time=_time(version.retired_at) if version.retired_at else None,
                blobs=sum(holding.counts.get(version.version, 0) for holding in status.holdings),
            )
        for holding in status.holdings:
            answer.things.add(
                name=holding.name, kind=holding.kind, blobs=holding.counts, stays=holding.stays, problem=holding.problem
            )
        return answer

    def Reload(
        self, request: keys_pb2.KeysServiceReloadRequest, context: grpc.ServicerContext
    ) -> keys_pb2.KeysServiceReloadResponse:
        """Take the keyring as it is now where it came from."""
        added = self._desk.reload()
        return keys_pb2.KeysServiceReloadResponse(added_versions=added, writing_version=self._desk.writing_version)

    def Promote(
        self, request: keys_pb2.KeysServicePromoteRequest, context: grpc.ServicerContext
    ) -> keys_pb2.KeysServicePromoteResponse:
        """Write under another version."""
        self._desk.promote(_version(request.version))
        return keys_pb2.KeysServicePromoteResponse(
            writing_key_id=self._desk.writing_key_id, blobs_to_rewrap=self._desk.blobs_to_rewrap()
        )

    def Rewrap(
        self, request: keys_pb2.KeysServiceRewrapRequest, context: grpc.ServicerContext
    ) -> Iterator[keys_pb2.KeysServiceRewrapResponse]:
        """Begin or join the job, and tell how it stands."""
        rotation = self._desk.rotation
        with self._places.taken():
            if not request.look_only:
                rotation.start(request.workspace, request.rate)
            if request.once:
                yield keys_pb2.KeysServiceRewrapResponse(progress=_progress(rotation.progress()))
                return
            for progress in rotation.follow(INTERVAL_S, is_wanted=context.is_active):
                yield keys_pb2.KeysServiceRewrapResponse(progress=_progress(progress))

    def CheckRewrap(
        self, request: keys_pb2.KeysServiceCheckRewrapRequest, context: grpc.ServicerContext
    ) -> keys_pb2.KeysServiceCheckRewrapResponse:
        """Open what would be sealed again."""
        with self._places.taken():
            checked = self._desk.check_rewrap(request.workspace)
        answer = keys_pb2.KeysServiceCheckRewrapResponse(version=self._desk.writing_version)
        for each in checked:
            answer.things.add(name=each.name, opens=each.opens, closed=each.closed, problems=each.problems)
        return answer

    def Retire(
        self, request: keys_pb2.KeysServiceRetireRequest, context: grpc.ServicerContext
    ) -> keys_pb2.KeysServiceRetireResponse:
        """Mark a version as one that nothing needs."""
        version = _version(request.version)
        if len(request.forget) > FORGET_MAX or any(len(name) > NAME_CHARS_MAX for name in request.forget):
            raise LimitExceeded(
                "SR-KEY-030",
                "too much is to be forgotten at once",
                why=f"at most {FORGET_MAX} copies, with names of at most {NAME_CHARS_MAX} characters",
                fix="name fewer in one call",
                size=len(request.forget),
                limit=FORGET_MAX,
                setting="forget",
            )
        changed = self._desk.retire(version, forget=tuple(request.forget), dry_run=request.validate_only)
        return keys_pb2.KeysServiceRetireResponse(changed=changed, offered=self._desk.is_offered(version))


def _version(untrusted: int) -> int:
    if not VERSION_MIN <= untrusted <= VERSION_MAX:
        raise InvalidInput(
            "SR-KEY-025",
            f"{untrusted} is no key version",
            why=f"they are {VERSION_MIN} to {VERSION_MAX}",
            fix="strongroom keys status shows them",
            field="version",
        )
    return untrusted


def _progress(progress: Progress) -> keys_pb2.RewrapProgress:
    return keys_pb2.RewrapProgress(
        state=progress.state,
        version=progress.version,
        workspace=progress.workspace,
        rate=progress.rate,
        done=progress.done,
        total=progress.total,
        thing=progress.thing,
        problems=progress.problems,
    )


def _time(unix_ms: int) -> timestamp_pb2.Timestamp:
    time = timestamp_pb2.Timestamp()
    time.FromMilliseconds(unix_ms)
    return time
