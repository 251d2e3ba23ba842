"""The tables of a vault's file. A released version of them never changes; a later one gets a number of its own.

``meta``       what kind of store this is, where the audit chain begins, and the digest of the policy of the last epoch
``records``    secrets, sealed under the shelf key
``challenges`` nonces; the end is a wall time and a time since boot, and the earlier one counts
``releases``   what was released: the envelope, which is ciphertext, goes after a while, the row remains
``floors``     numbers that only grow: policy epoch, runner version
``tpm_counts`` resets and restarts, seen last of each attestation key of a TPM
``evidence``   digests of evidence of the last minutes
``manifests``  the manifest in force of each owner, with its signature
``audit``      the chain of records
"""

from typing import Final

__all__ = ["APPLICATION_ID", "SCHEMA", "SCHEMA_VERSION"]

APPLICATION_ID: Final = 0x5352_5631
"""``SRV1``: a file of another program is not taken for a vault's."""
SCHEMA_VERSION: Final = 1
SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE records (
    owner TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE challenges (
    nonce BLOB PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('unused', 'used', 'expired')),
    execution_id TEXT NOT NULL,
    workflow_id TEXT NOT NULL,
    owner TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    issued_s INTEGER NOT NULL,
    exp_s INTEGER NOT NULL,
    session BLOB NOT NULL,
    end_boot_s REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX challenges_by_execution ON challenges (execution_id, attempt);
CREATE INDEX challenges_by_time ON challenges (issued_s);
CREATE TABLE releases (
    execution_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    runtime_data_sha256 BLOB NOT NULL UNIQUE,
    release_id BLOB NOT NULL,
    released_s INTEGER NOT NULL,
    body BLOB,
    signature BLOB,
    PRIMARY KEY (execution_id, attempt)
) STRICT, WITHOUT ROWID;
CREATE INDEX releases_by_time ON releases (released_s);
CREATE TABLE floors (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE tpm_counts (
    ak_name BLOB PRIMARY KEY, reset_count INTEGER NOT NULL, restart_count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE evidence (sha256 BLOB PRIMARY KEY, seen_s INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE manifests (
    owner TEXT PRIMARY KEY, serial BLOB NOT NULL, body BLOB NOT NULL, signature BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY, record BLOB NOT NULL, digest BLOB NOT NULL
) STRICT;
"""
