"""The TPM 2.0 of a machine: the wire to it, and keys that it seals."""
