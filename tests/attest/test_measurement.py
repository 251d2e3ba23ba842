"""The digest over a runner's program: every file with its path, and nothing else."""

from hashlib import sha256

import pytest

from strongroom.attest.measurement import RUNNER_PACKAGES, is_measured, measurement_of
from strongroom.errors import InvalidInput
from strongroom.plugin.installed import program_files

FILES = {"strongroom/a.py": b"a", "strongroom/b/c.py": b"c", "strongroom_confidential_workflows/d.py": b""}


def framed(raw):
    return len(raw).to_bytes(8, "big") + raw


def test_it_is_laid_out_as_its_source_says():
    parts = [framed(path.encode()) + framed(sha256(FILES[path]).digest()) for path in sorted(FILES)]
    assert measurement_of(FILES) == sha256(b"STRONGROOM-MEASUREMENT-v1" + b"".join(parts)).digest()


def test_the_order_of_the_files_does_not_matter_and_what_is_not_the_program_neither():
    assert measurement_of(dict(reversed(FILES.items()))) == measurement_of(FILES)
    for path in (
        "numpy/a.py",
        "strongroom/a.txt",
        "strongroom/__pycache__/a.py",
        "a.py",
        "",
        "strongroom",
        "xstrongroom/a.py",
    ):
        assert not is_measured(path)
        assert measurement_of({**FILES, path: b"x"}) == measurement_of(FILES)


@pytest.mark.parametrize(
    "other",
    [
        {**FILES, "strongroom/a.py": b"b"},
        {**FILES, "strongroom/e.py": b""},
        {path: content for path, content in FILES.items() if path != "strongroom/a.py"},
        {("strongroom/z.py" if path == "strongroom/a.py" else path): content for path, content in FILES.items()},
        {**FILES, "strongroom/a.py": FILES["strongroom/b/c.py"], "strongroom/b/c.py": FILES["strongroom/a.py"]},
        {},
    ],
    ids=["another byte", "one more", "one less", "another path", "two exchanged", "nothing"],
)
def test_every_other_program_has_another_digest(other):
    assert measurement_of(other) != measurement_of(FILES)


def test_a_path_that_has_no_bytes_is_refused():
    with pytest.raises(InvalidInput) as caught:
        measurement_of({"strongroom/\ud800.py": b""})
    assert caught.value.code == "SR-SEAL-002"


def test_the_program_that_is_installed_is_measured_and_has_every_module_of_its_verifiers():
    files = program_files(RUNNER_PACKAGES)
    assert "strongroom/attest/nitro.py" in files
    assert all(map(is_measured, files))
    assert len(measurement_of(files)) == 32
