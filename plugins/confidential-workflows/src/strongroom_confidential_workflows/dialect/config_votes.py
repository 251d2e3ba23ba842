"""Whom an enclave believes, and how the nodes change that: by F+1 equal votes within ten minutes.

Rule 1: a config is set once. After that only the signers of the config in force change it.
Rule 2: a signer has one vote; a later one takes its place.
Rule 3: ours: a config that was in force before cannot come back. A vote has no date, so its votes could be old ones
that somebody kept. Votes that never led to a config remain: a signer who wants to take one back must be left out.
What a vote signs is the hash of the config in ``CONFIG_DOMAIN``.
Source: contracts/confidential.md 10 and 10.2.
"""

from dataclasses import dataclass, field
from typing import Final

from strongroom.plugin import Conflict, Forbidden, LimitExceeded, WrongState
from strongroom_confidential_workflows.dialect.go_json import Members, parse
from strongroom_confidential_workflows.dialect.hashes import enclave_config_hash
from strongroom_confidential_workflows.dialect.json_forms import read_config
from strongroom_confidential_workflows.dialect.limits import NAME_BYTES_MAX
from strongroom_confidential_workflows.dialect.messages import EnclaveConfig, malformed
from strongroom_confidential_workflows.dialect.signatures import CONFIG_DOMAIN, signer_of

__all__ = ["VOTE_S_MAX", "ConfigVotes", "Vote", "read_vote"]

VOTE_S_MAX: Final = 600.0
FORMER_MAX: Final = 1_000
"""Configs of one enclave's life, which ends with its process."""
SIGNER_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Vote:
    """A proposed config and one node's signature of its hash."""

    config: EnclaveConfig
    signature: bytes


def read_vote(untrusted: bytes) -> Vote:
    """The body of PATCH ``/config``. Raises ``InvalidInput`` or ``LimitExceeded``."""
    members = Members("", parse("the body", untrusted), frozenset({"config", "signature"}))
    return Vote(read_config("config", members.get("config")), members.data("signature", bytes_max=NAME_BYTES_MAX))


@dataclass(slots=True)
class ConfigVotes:
    """The config of one enclave and the votes on the next. ``now_s`` comes from a clock that never goes back."""

    _config: EnclaveConfig | None = field(default=None, init=False)
    _votes: dict[bytes, tuple[bytes, float]] = field(default_factory=dict, init=False)
    _former: set[bytes] = field(default_factory=set, init=False)

    @property
    def config(self) -> EnclaveConfig:
        """The config in force. Raises ``WrongState`` before there is one."""
        if self._config is None:
            raise WrongState("SR-DIAL-022", "the enclave has no config yet", fix="POST /config first")
        return self._config

    def set_first(self, config: EnclaveConfig) -> None:
        """Set the config. Raises ``Conflict`` when there is one, ``InvalidInput`` for one that nobody could meet."""
        if self._config is not None:
            raise Conflict("SR-DIAL-023", "the enclave has a config already", fix="have F+1 of its signers vote")
        _check_reachable(config)
        self._config = config

    def take(self, vote: Vote, *, now_s: float) -> bool:
        """Count a vote; whether its config is in force now.

        Raises ``Forbidden`` for a signature of nobody in force, ``Conflict`` for a config that was in force before,
        ``InvalidInput`` for one that nobody could meet, ``LimitExceeded`` after too many.
        """
        in_force = self.config
        proposed = enclave_config_hash(vote.config)
        signer = signer_of(CONFIG_DOMAIN, proposed, vote.signature, in_force.signers)
        if signer is None:
            raise Forbidden("SR-DIAL-024", "the vote is not by a signer of the config in force")
        _check_reachable(vote.config)
        if proposed in self._former or proposed == enclave_config_hash(in_force):
            raise Conflict("SR-DIAL-025", "the config is or was in force", why="its votes could be old ones")
        if len(self._former) >= FORMER_MAX:
            raise LimitExceeded(
                "SR-DIAL-028",
                f"the enclave has had {len(self._former)} configs, which is the most",
                fix="start it anew with the config that is wanted",
                size=len(self._former),
                limit=FORMER_MAX,
                setting="FORMER_MAX",
            )
        self._votes[signer] = (proposed, now_s)
        self._votes = {each: cast for each, cast in self._votes.items() if now_s - cast[1] < VOTE_S_MAX}
        if sum(cast[0] == proposed for cast in self._votes.values()) <= in_force.f:
            return False
        self._former.add(enclave_config_hash(in_force))
        self._votes.clear()
        self._config = vote.config
        return True


def _check_reachable(config: EnclaveConfig) -> None:
    """F+1 of its signers must be able to agree, and one more than F must exist for that."""
    if any(len(each) != SIGNER_BYTES for each in config.signers):
        raise malformed("signers", f"Ed25519 keys of {SIGNER_BYTES} bytes")
    if len(set(config.signers)) != len(config.signers):
        raise malformed("signers", "each there once")
    if len(config.signers) <= config.f:
        raise malformed("signers", "more than F")
