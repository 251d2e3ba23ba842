"""The verifiers that are installed: all come with strongroom itself. A policy says by name, version and digest which
of them take part.

Source: contracts/attestation.md 3 and 16.3.
"""

import importlib.util

from strongroom.attest.azure import verify_az_snp_vtpm
from strongroom.attest.dcap import verify_sgx, verify_tdx
from strongroom.attest.evidence import Verifier
from strongroom.attest.nitro import verify_nitro
from strongroom.attest.policy_sections import VerifierPin
from strongroom.attest.snp import verify_snp
from strongroom.attest.software import verify_insecure_software
from strongroom.attest.tpm import verify_insecure_swtpm, verify_tpm2
from strongroom.attest.verification import InstalledVerifier
from strongroom.plugin.installed import installed_distribution

__all__ = ["DISTRIBUTION", "installed_pin", "installed_verifiers"]

DISTRIBUTION = "strongroom"
_LIBRARY = "dcap_qvl"


def installed_pin() -> VerifierPin:
    """The distribution of the verifiers as it is installed. Raises ``Misconfigured`` where it cannot be pinned."""
    found = installed_distribution(DISTRIBUTION)
    return VerifierPin(found.name, found.version, found.record_sha256)


def installed_verifiers() -> tuple[InstalledVerifier, ...]:
    """One for each kind; those of Intel only where the library that they need is there. Raises ``Misconfigured``."""
    verifiers: dict[str, Verifier] = {
        "nitro": verify_nitro,
        "sev-snp": verify_snp,
        "az-snp-vtpm": verify_az_snp_vtpm,
        "tpm2": verify_tpm2,
        "insecure-swtpm": verify_insecure_swtpm,
        "insecure-software": verify_insecure_software,
    }
    if importlib.util.find_spec(_LIBRARY) is not None:
        verifiers |= {"tdx": verify_tdx, "sgx": verify_sgx}
    pin = installed_pin()
    return tuple(InstalledVerifier(kind, pin, verify) for kind, verify in verifiers.items())
