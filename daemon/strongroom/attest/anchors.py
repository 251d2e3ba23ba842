"""Trust anchors: SHA-256 of root certificates in DER, hex. A new one is a change of this file, never a setting.

Source: contracts/attestation.md 12, where each value was computed from two independent repositories.
"""

from typing import Final

__all__ = ["AMD_GENOA", "AMD_MILAN", "AMD_TURIN", "AWS_NITRO", "INTEL_SGX", "PINNED"]

AWS_NITRO: Final = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b"
AMD_MILAN: Final = "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"
AMD_GENOA: Final = "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1"
AMD_TURIN: Final = "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a"
INTEL_SGX: Final = "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3"

PINNED: Final[dict[str, frozenset[str]]] = {
    "nitro": frozenset({AWS_NITRO}),
    "sev-snp": frozenset({AMD_MILAN, AMD_GENOA, AMD_TURIN}),
    "az-snp-vtpm": frozenset({AMD_MILAN, AMD_GENOA, AMD_TURIN}),
    "tdx": frozenset({INTEL_SGX}),
    "sgx": frozenset({INTEL_SGX}),
}
"""The anchors of each hardware kind. Kinds without hardware have those that the signed policy names."""
