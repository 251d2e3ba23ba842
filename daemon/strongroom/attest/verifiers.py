"""The verifier of each kind of evidence that this release has. Which of them take part is for a policy to say."""

from collections.abc import Mapping
from typing import Final

from strongroom.attest.azure import verify_az_snp_vtpm
from strongroom.attest.dcap import verify_sgx, verify_tdx
from strongroom.attest.evidence import Verifier
from strongroom.attest.nitro import verify_nitro
from strongroom.attest.snp import verify_snp
from strongroom.attest.software import verify_insecure_software
from strongroom.attest.tpm import verify_insecure_swtpm, verify_tpm2

__all__ = ["VERIFIERS"]

VERIFIERS: Final[Mapping[str, Verifier]] = {
    "nitro": verify_nitro,
    "sev-snp": verify_snp,
    "az-snp-vtpm": verify_az_snp_vtpm,
    "tdx": verify_tdx,
    "sgx": verify_sgx,
    "tpm2": verify_tpm2,
    "insecure-swtpm": verify_insecure_swtpm,
    "insecure-software": verify_insecure_software,
}
