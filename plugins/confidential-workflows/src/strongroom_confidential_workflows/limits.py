"""What this capability takes at most, with the reason for each."""

from typing import Final

__all__ = [
    "ANSWER_MARGIN_MS",
    "BINARY_BYTES_MAX",
    "CALLS_IN_FLIGHT_MAX",
    "CALLS_MAX",
    "CALL_BYTES_MAX",
    "CHALLENGES_MAX",
    "CHUNK_BYTES",
    "ERROR_CHARACTERS_MAX",
    "EXECUTIONS_MAX",
    "FETCH_TIMEOUT_S",
    "FRAME_BYTES_MAX",
    "KILL_GRACE_S",
    "QUEUE_WAIT_S",
    "READY_TIMEOUT_S",
    "RELEASES_MAX",
    "REQUEST_BYTES_MAX",
    "RESULT_BYTES_MAX",
    "SECRETS_BYTES_MAX",
    "SECRETS_NAMED_MAX",
    "SECRETS_PER_VAULT_CALL",
    "SPARE_AGE_S_MAX",
    "SPARE_DELAY_S",
    "STOP_S",
    "TEXT_BYTES_MAX",
    "URL_BYTES_MAX",
    "VAULT_TIMEOUT_S",
    "WORKFLOW_NAME_BYTES_MAX",
]

BINARY_BYTES_MAX: Final = 20 * 1024 * 1024  # confidential.md 13: one fetch of a binary
FETCH_TIMEOUT_S: Final = 60.0  # the same place
URL_BYTES_MAX: Final = 2_048  # longer ones are no stable locators
REQUEST_BYTES_MAX: Final = 5 * 1024 * 1024  # a serialized ExecuteRequest: config (50 KB) and one trigger payload
RESULT_BYTES_MAX: Final = 5 * 1024 * 1024  # the largest answer that the guest contract knows
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024  # attestation.md 3, Frames: a result and its receipt fit; a binary is cut
CHUNK_BYTES: Final = 4 * 1024 * 1024  # pieces of a binary: few frames, and no long wait for a cancellation behind one
CALL_BYTES_MAX: Final = 8 * 1024 * 1024  # one call or its answer: above what a guest may send and take
CALLS_IN_FLIGHT_MAX: Final = 30  # each holds a thread of this process; the guest's own limit is the same
CALLS_MAX: Final = 10_000  # a guest that calls in a loop ends here, long before its deadline
ERROR_CHARACTERS_MAX: Final = 2_000  # an error is a sentence or two, whoever wrote it
QUEUE_WAIT_S: Final = 0.2  # how soon an execution that was cancelled leaves the queue
EXECUTIONS_MAX: Final = 64  # each takes up to 100 MB of guest memory and a process
SECRETS_NAMED_MAX: Final = 100  # an owner has no more
SECRETS_BYTES_MAX: Final = 27_000  # cre-guest.md 12: all secrets of one workflow
SECRETS_PER_VAULT_CALL: Final = 10  # capability-wire 11.5
CHALLENGES_MAX: Final = 3  # attestation.md 14.1: as many as a vault gives for one attempt
RELEASES_MAX: Final = 2  # one, and one more when its challenge went stale on the way
TEXT_BYTES_MAX: Final = 128  # ids, keys, namespaces: as long as runtime data let them be
SPARE_AGE_S_MAX: Final = 6 * 3600.0  # a spare is configured once; what it was given is good for half a day at least
SPARE_DELAY_S: Final = 0.1  # most executions are over by then, and do not share a processor with a start
STOP_S: Final = 0.5  # a plugin gets 2 s to end; cancelled executions have this much to say so
VAULT_TIMEOUT_S: Final = 30.0  # one relayed vault call, within the deadline of the execution
READY_TIMEOUT_S: Final = 20.0  # a runner imports and seals itself in well under a second on an idle machine
ANSWER_MARGIN_MS: Final = 250  # a guest ends this much before its caller gives up, so that the reason arrives
KILL_GRACE_S: Final = 2.0  # a runner ends its guest itself at the deadline; after this it is killed
WORKFLOW_NAME_BYTES_MAX: Final = 1024  # a name that is longer is not told to the runner, which then computes no id
