"""A counter in a TPM that never goes back, to notice that a disk did.

Rule 1: a new counter starts above every earlier one of its TPM, so the value that was read is kept, and 1 is never
assumed.
Rule 2: the value is as trustworthy as the TPM and the way to it: nothing signs it. It is for whoever owns the machine
that the TPM is in, not evidence for somebody else.
Source: TPM 2.0 Library, part 3, 31; contracts/attestation.md 9.3, "Rollback anchor".
"""

import struct
from typing import Final

from strongroom.plugin import Tampered
from strongroom.tpm.wire import PASSWORD, TpmRefused, TpmWire, answer_to, sized

__all__ = ["INDEX", "NvCounter"]

INDEX: Final = 0x01500000
ATTRIBUTES: Final = 0x02060016
"""Owner and authorised read and write, a counter, no dictionary-attack lockout."""
COUNTER_BYTES: Final = 8
_OWNER: Final = bytes.fromhex("40000001")
_DEFINE_SPACE: Final = 0x12A
_INCREMENT: Final = 0x134
_READ: Final = 0x14E
_ALREADY_DEFINED: Final = 0x14C
_NO_VALUE_YET: Final = 0x14A


class NvCounter:
    """The counter at one index of an open TPM."""

    def __init__(self, wire: TpmWire, index: int = INDEX) -> None:
        self._wire = wire
        self._handle = struct.pack(">I", index)

    def define(self) -> None:
        """Make the counter where there is none, and count once where it never has: a new one has no value yet."""
        public = self._handle + struct.pack(">HI", 0x000B, ATTRIBUTES) + sized(b"") + struct.pack(">H", COUNTER_BYTES)
        try:
            self._wire.run(_DEFINE_SPACE, _OWNER, auth=(PASSWORD,), parameters=sized(b"") + sized(public))
        except TpmRefused as refused:
            if refused.response != _ALREADY_DEFINED:
                raise
        try:
            self.read()
        except TpmRefused as refused:
            if refused.response != _NO_VALUE_YET:
                raise
            self.increment()

    def increment(self) -> int:
        """Count once, and return the new value, which is to be kept."""
        self._wire.run(_INCREMENT, self._handle, self._handle, auth=(PASSWORD,))
        return self.read()

    def read(self) -> int:
        """The value. Raises ``TpmRefused`` for a counter that was never defined."""
        parameters = struct.pack(">HH", COUNTER_BYTES, 0)
        answer = self._wire.run(_READ, self._handle, self._handle, auth=(PASSWORD,), parameters=parameters)
        with answer_to("NV_Read", answer) as reader:
            reader.number(2)  # the length of the value, which was asked for
            return reader.number(COUNTER_BYTES)

    def check(self, kept: int) -> int:
        """The value. Raises ``Tampered`` when it is below ``kept``: the TPM was set back, or is another one."""
        found = self.read()
        if found < kept:
            raise Tampered("the counter of the TPM", found=found, kept=kept)
        return found
