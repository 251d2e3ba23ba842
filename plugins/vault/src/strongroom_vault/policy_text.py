"""Policies as they are written by this program: the one of a development vault, and one for production to edit.

A development policy accepts simulations of this very installation: it names the measurement of the installed runner and
the digest of the installed verifiers, so it is written anew whenever one of them changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from strongroom.attest.policy_sections import VerifierPin

__all__ = ["GENERATED", "TestPolicy", "production_template"]

GENERATED: Final = "# Made by a development vault of strongroom, which makes it anew when the installation changes.\n"
"""The first line of what may be replaced. A policy without it belongs to a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestPolicy:
    """What a development policy names: the pin of the verifiers, the measurement of the runner, the development CA, all
    in hex, and the registers of a software TPM, if one is used."""

    pin: VerifierPin
    measurement: str
    anchor: str
    pcrs: Mapping[str, str] = field(default_factory=dict)

    def text(self, epoch: int) -> str:
        """The file, with this epoch."""
        kinds = ["insecure-software", *(["insecure-swtpm"] if self.pcrs else [])]
        registers = ", ".join(f'"{number}" = "{value}"' for number, value in sorted(self.pcrs.items()))
        swtpm = f'\n[[accept.insecure-swtpm]]\nname = "development"\npcrs = {{{registers}}}\n' if self.pcrs else ""
        return f"""{GENERATED}# INSECURE SIMULATION: no protection from the host operator. It opens test secrets only.
profile = "test"
epoch = {epoch}
min_runner_svn = 0

[verifiers]
load = ["{_written(self.pin)}"]

[freshness]
nonce_ttl_s = 60
max_skew_s = 300

[[accept.insecure-software]]
name = "development"
measurement = "{self.measurement}"
{swtpm}
[release]
require = "affirming"
min_assurance = "none"

[insecure]
allow_kinds = [{", ".join(f'"{kind}"' for kind in kinds)}]
anchors = ["{self.anchor}"]
"""


def production_template(pin: VerifierPin) -> str:
    """A policy for production that accepts nothing yet, with what has to be filled in as comments."""
    return f"""# The policy of a production vault. docs/attestation.md explains every key; an unknown key is an
# error, and an empty list accepts nothing. After each change: a higher epoch, and
#   python -m strongroom_vault sign-policy FILE --key KEY
profile = "production"
epoch = 1
# Runners of an older security version are refused.
min_runner_svn = 1

[verifiers]
# The installed verifiers, by the digest of the RECORD of their distribution. It changes with every update.
load = ["{_written(pin)}"]

[freshness]
nonce_ttl_s = 60
max_skew_s = 300

[release]
require = "affirming"
min_assurance = "hardware"

# One entry for each measured release of the runner. Its fields are compared together.
# [[accept.nitro]]
# name = "runner-1.0.0"
# pcr0 = "<96 hex digits>"
# pcr1 = "<96 hex digits>"
# pcr2 = "<96 hex digits>"

# [[accept.sev-snp]]
# name = "runner-1.0.0"
# measurement = "<96 hex digits>"
# vmpl = [0]
#
# [sev-snp.min_tcb.Milan]
# bl = 4
# tee = 0
# snp = 23
# ucode = 213
"""


def _written(pin: VerifierPin) -> str:
    return f"{pin.distribution} {pin.version} sha256:{pin.record_sha256}"
