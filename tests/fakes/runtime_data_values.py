"""What runtime data and their parts may be, for tests that try many of them."""

from hypothesis import strategies as st

from strongroom.attest.runtime_data import ChallengeRef, Execution, RunnerBuild, RuntimeData

texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=32)
digests = st.binary(min_size=32, max_size=32)
uints = st.integers(0, 2**64 - 1)
names = st.lists(st.tuples(texts, texts), max_size=8, unique=True).map(
    lambda found: tuple(sorted(found, key=lambda each: (each[0].encode(), each[1].encode())))
)
values = st.builds(
    RuntimeData,
    kind=texts,
    challenge=st.builds(ChallengeRef, nonce=digests, exp_s=uints, vault_key_id=digests),
    execution=st.builds(
        Execution,
        workflow_id=texts,
        owner=texts,
        execution_id=texts,
        attempt=st.integers(1, 2**64 - 1),
        binary_sha256=digests,
        config_sha256=digests,
        request_sha256=digests,
        requirements_sha256=digests,
        restrictions_sha256=digests,
    ),
    kem_pub=digests,
    sig_pub=digests,
    runner=st.builds(RunnerBuild, build=texts, svn=uints),
    enclave_config_sha256=digests,
    secrets=names,
)
