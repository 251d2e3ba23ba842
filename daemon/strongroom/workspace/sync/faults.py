"""What can go wrong between a relay and its clients, one function for each case.

Rule: no text here holds a token, a query or payload. Owners, workspace ids and device ids are names, and may.
"""

from typing import Final

from strongroom.errors import Forbidden, InvalidInput, LimitExceeded, Misconfigured, NotFound, StorageFault, Unavailable
from strongroom.workspace.sync.close_codes import CloseCode

__all__ = [
    "READ_ONLY",
    "ROOM_FULL",
    "TOKENS_UNUSABLE",
    "address_taken",
    "awareness_too_much",
    "certificate_unusable",
    "closed",
    "device_missing",
    "frame_malformed",
    "listen_malformed",
    "listen_needs_tls",
    "no_room",
    "not_admitted",
    "origin_refused",
    "other_owner",
    "out_of_order",
    "read_only",
    "refused_for_good",
    "relay_stopped",
    "room_full",
    "room_unreadable",
    "text_frame_refused",
    "token_line_malformed",
    "tokens_unusable",
    "too_broad",
    "too_many",
    "too_slow",
    "unreachable",
    "update_uncuttable",
    "url_malformed",
    "workspace_too_large",
]

TOKENS_UNUSABLE: Final = "SR-SYNC-004"
ROOM_FULL: Final = "SR-SYNC-016"
READ_ONLY: Final = "SR-SYNC-017"
NOT_ADMITTED_FIX: Final = (
    "see that relay.client_tokens_file has this address with its token, or sign in again; `strongroom workspace mount "
    "DIR` then connects at once"
)


def listen_malformed(why: str) -> Misconfigured:
    """The setting ``relay.listen`` is no address."""
    fix = "write HOST:PORT, an IPv6 address in brackets"
    return Misconfigured("SR-SYNC-001", "relay.listen is not an address", why=why, fix=fix, where="relay.listen")


def listen_needs_tls(host: str) -> Misconfigured:
    """An address that others can reach, without TLS: tokens would travel in clear."""
    return Misconfigured(
        "SR-SYNC-002",
        f"the relay does not listen on {host} without TLS",
        why="tokens and the structure of workspaces would cross the network readable",
        fix="set relay.certificate_file and relay.key_file, or listen on 127.0.0.1",
        where="relay.listen",
    )


def certificate_unusable(where: str, why: str) -> Misconfigured:
    """A certificate or key that TLS cannot use."""
    fix = "give a PEM certificate with its chain, and its PEM key without a password"
    return Misconfigured("SR-SYNC-003", "the relay has no usable certificate", why=why, fix=fix, where=where)


def tokens_unusable(path: str, why: str) -> Misconfigured:
    """The file of tokens is not there, too large, or not text."""
    fix = "give a file of the host's user with mode 0600"
    return Misconfigured("SR-SYNC-004", f"the file of tokens {path} cannot be used", why=why, fix=fix, where=path)


def token_line_malformed(path: str, line: int, why: str) -> Misconfigured:
    """A line of the file of tokens says nothing that can be meant."""
    return Misconfigured(
        "SR-SYNC-005",
        "a line of the file of tokens cannot be read",
        why=why,
        fix="write: SHA-256 of the token in 64 hex digits, the owner as in the URL, rw or ro, then any comment",
        where=f"{path}:{line}",
    )


def address_taken(address: str, why: str) -> Unavailable:
    """Nothing can listen there now."""
    fix = "end the program that listens there, or choose another port"
    return Unavailable("SR-SYNC-006", f"the relay cannot listen on {address}", why=why, fix=fix)


def no_room() -> NotFound:
    """The path of a request names no room."""
    fix = "connect to /api/owners/OWNER/rooms/WORKSPACE, its parts percent-encoded"
    return NotFound("SR-SYNC-010", "there is no such page on this relay", fix=fix)


def device_missing() -> InvalidInput:
    """A request without a usable device id."""
    return InvalidInput(
        "SR-SYNC-011",
        "the request names no device",
        fix="add ?deviceId=, 1 to 128 characters, the same for one device each time",
        field="deviceId",
    )


def not_admitted() -> Forbidden:
    """No token, two of them, or one that nobody gave out. One text for all: a guess learns nothing."""
    return Forbidden(
        "SR-SYNC-012",
        "the relay does not admit this connection",
        why="it came without a token that the relay knows",
        fix="offer the subprotocols strongroom and bearer.TOKEN, or ?token=TOKEN where a library cannot",
    )


def other_owner() -> Forbidden:
    """The token belongs to one owner and the URL names another."""
    return Forbidden("SR-SYNC-013", "OwnerMismatch", why="the token is of another owner", fix="use that owner's token")


def origin_refused() -> Forbidden:
    """A web page that the operator did not name."""
    return Forbidden("SR-SYNC-014", "the relay does not talk to this web page", fix="add its origin to relay.origins")


def too_many(what: str, limit: int, setting: str) -> LimitExceeded:
    """As many connections or workspaces as the operator allows."""
    return LimitExceeded(
        "SR-SYNC-015",
        f"the relay has {limit} {what} already",
        fix="try again later, or raise the limit",
        size=limit + 1,
        limit=limit,
        setting=setting,
    )


def room_full(size: int, limit: int) -> LimitExceeded:
    """A workspace that would grow beyond what the relay keeps of one."""
    return LimitExceeded(
        "SR-SYNC-016",
        f"the workspace would take {size} bytes on the relay, more than {limit}",
        fix="raise relay.room_bytes_max, or delete entries",
        size=size,
        limit=limit,
        setting="relay.room_bytes_max",
    )


def read_only() -> Forbidden:
    """A change that came with a token that may only read."""
    return Forbidden("SR-SYNC-017", "the token may only read", fix="use a token with rw for devices that write")


def frame_malformed(why: str) -> InvalidInput:
    """A frame that ends early, or holds what no frame holds."""
    fix = "check that both sides speak the same dialect: its name is the subprotocol"
    return InvalidInput("SR-SYNC-018", "a sync frame is malformed", why=why, fix=fix, field="frame")


def awareness_too_much(what: str, size: int, limit: int) -> LimitExceeded:
    """More awareness than a device needs to say where its cursor is."""
    return LimitExceeded(
        "SR-SYNC-019",
        f"awareness has {size} {what}, more than {limit}",
        fix="keep content in the document: awareness is for cursors and names",
        size=size,
        limit=limit,
        setting="awareness",
    )


def text_frame_refused(why: str) -> InvalidInput:
    """A text frame that is no JSON, or of no type that there is."""
    fix = "send ping, presence_publish or the dispatch frames of the contract"
    return InvalidInput("SR-SYNC-020", "a text frame is refused", why=why, fix=fix, field="frame")


def too_slow(seconds: int, limit: int) -> LimitExceeded:
    """An update that the library works on far longer than its size explains."""
    return LimitExceeded(
        "SR-SYNC-023",
        f"an update took {seconds} s, more than {limit}",
        why="very many of its items claim the same place",
        fix="look for the device that made it; it is broken, or means harm",
        size=seconds,
        limit=limit,
        setting="update",
    )


def out_of_order(size: int, limit: int) -> LimitExceeded:
    """Much that stands beside what nobody has."""
    return LimitExceeded(
        "SR-SYNC-024",
        f"an update holds {size} structs that wait for another update, more than {limit}",
        fix="connect again: the handshake brings both in order",
        size=size,
        limit=limit,
        setting="update",
    )


def room_unreadable(why: str) -> StorageFault:
    """What the relay stored of a workspace is damaged."""
    return StorageFault(
        "SR-SYNC-021",
        "the relay cannot read what it stored of a workspace",
        why=why,
        fix="move its file away: its devices bring the workspace back when they connect",
    )


def relay_stopped() -> Unavailable:
    """The relay of this daemon does not run."""
    fix = "wait until the daemon runs, or give the mount the URL of another relay"
    return Unavailable("SR-SYNC-022", "the relay is stopped", fix=fix)


def closed(code: int, reason: str) -> Unavailable:
    """The far side is gone. ``reason`` is its own word, cut short."""
    fix = NOT_ADMITTED_FIX if code == CloseCode.NOT_ADMITTED else "nothing: the mount connects again by itself"
    return Unavailable(
        "SR-SYNC-030", f"the relay closed the connection ({code})", why=reason[:120], fix=fix, close_code=code
    )


def unreachable(why: str) -> Unavailable:
    """No connection to the relay came about."""
    fix = "nothing, if the relay is only away: the mount tries again by itself"
    return Unavailable("SR-SYNC-033", "the relay cannot be reached", why=why, fix=fix)


def refused_for_good(why: str) -> Forbidden:
    """The relay does not want this client, and trying again does not help."""
    return Forbidden(
        "SR-SYNC-034",
        "the relay refuses this client",
        why=why,
        fix=NOT_ADMITTED_FIX,
    )


def url_malformed(why: str) -> InvalidInput:
    """The URL of a relay that nothing can connect to."""
    fix = "give http://, https://, ws:// or wss:// and a host"
    return InvalidInput("SR-SYNC-031", "the URL of the relay is wrong", why=why, fix=fix, field="relay")


def update_uncuttable(size: int, limit: int) -> LimitExceeded:
    """One value that no message can carry."""
    return LimitExceeded(
        "SR-SYNC-032",
        f"one value takes {size} bytes of a message, more than {limit}",
        fix="keep large content in files, and their names in the workspace",
        size=size,
        limit=limit,
        setting="message",
    )


def workspace_too_large(limit: int) -> LimitExceeded:
    """A relay sends more than a mount keeps."""
    return LimitExceeded(
        "SR-SYNC-036",
        "the relay sends more of this workspace than a mount keeps",
        why="with it the workspace would be too large",
        fix="look what is written into it, and by whom; nothing of this change was taken",
        size=limit + 1,
        limit=limit,
    )


def too_broad(what: str, limit: int) -> LimitExceeded:
    """A workspace that nobody could join any more."""
    return LimitExceeded(
        "SR-SYNC-025",
        f"the workspace would have more than {limit} {what}",
        why="a device that joins takes no more",
        fix="look who writes into it; nothing of this change was taken",
        size=limit + 1,
        limit=limit,
    )
