"""A backup that is not as it was made is refused with a code, wherever it was touched, and nothing is written."""

import dataclasses
import hashlib
import io
import json
import os
import sqlite3
import tarfile

import pytest

from strongroom.backup import container
from strongroom.backup.manifest import Manifest, Part, _authenticated, read_manifest, signed
from strongroom.backup.reading import opened_backup
from strongroom.engine.backup_check import checked_backup
from strongroom.errors import InvalidInput, KeyMissing, StorageFault
from strongroom.keyring.root import BACKUPS
from tests.fakes.backup_rig import BackupRig, restored
from tests.fakes.key_rig import roots

BLOCK = 512
ROOT = roots(1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two backups of one host, the second with more in it."""
    directory = tmp_path_factory.mktemp("made")
    rig = BackupRig(directory / "state", 1)
    rig.every_kind()
    first, second = directory / "first.tar", directory / "second.tar"
    rig.back_up(first)
    rig.plain(9)
    rig.back_up(second)
    rig.stop()
    return first, second


def refused(path, root=ROOT):
    with pytest.raises((InvalidInput, KeyMissing, StorageFault)) as caught, opened_backup(path, root):
        pass
    return caught.value.code


def written(tmp_path, data):
    path = tmp_path / "b.tar"
    path.write_bytes(data)
    return path


def members(path):
    """Name, place and size of each member."""
    with tarfile.open(path) as tar:
        return [(each.name, each.offset, each.offset_data, each.size) for each in tar.getmembers()]


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


@pytest.mark.parametrize("size", [0, 1, 512, 8**11 - 1, 8**11, 2**50])
def test_headers_are_those_of_gnu_tar(size):
    member = tarfile.TarInfo("state.db")
    member.size, member.mode = size, 0o600
    assert container.beginning("state.db", size) == member.tobuf(tarfile.GNU_FORMAT)


def test_any_tar_can_list_it(made):
    names = [name for name, *_ in members(made[0])]
    assert names[:2] == ["manifest.json", "state.db"]
    assert "audit/0.jsonl" in names


def test_one_bit_that_was_flipped_anywhere_is_found(made, tmp_path):
    data = made[0].read_bytes()
    codes = set()
    places = set(range(0, len(data), len(data) // 150))
    for _, header, begin, size in members(made[0]):
        # Each byte of a header that is not empty, both ends and the middle of a member, and what fills its last block.
        places |= {header + each for each in range(0, BLOCK, 7)} | {header, header + 124, header + 156, header + 257}
        places |= {begin, begin + size // 2, begin + size - 1}
        places |= {begin + size} if size % BLOCK else set()
    places |= {len(data) - 1, len(data) - 2 * BLOCK}
    for place in sorted(places):
        codes.add(refused(written(tmp_path, flipped(data, place))))
    assert codes <= {f"SR-BACKUP-00{number}" for number in (1, 2, 3, 4, 5, 6, 7)} | {"SR-BACKUP-011"}
    assert {"SR-BACKUP-001", "SR-BACKUP-004", "SR-BACKUP-006", "SR-BACKUP-007"} <= codes


def test_one_that_is_cut_anywhere_or_longer_is_found(made, tmp_path):
    data = made[0].read_bytes()
    for size in [0, 1, 511, 512, 600, *range(1024, len(data), len(data) // 40), len(data) - 1]:
        assert refused(written(tmp_path, data[:size])) in {"SR-BACKUP-001", "SR-BACKUP-005"}, size
    assert refused(written(tmp_path, data + b"\0")) == "SR-BACKUP-005"
    assert refused(written(tmp_path, data + b"\0" * 10_240)) == "SR-BACKUP-005"


def test_a_part_of_another_backup_is_found(made, tmp_path):
    first, second = (path.read_bytes() for path in made)
    ((_, _, begin, size),) = [each for each in members(made[0]) if each[0] == "state.db"]
    ((_, _, other, other_size),) = [each for each in members(made[1]) if each[0] == "state.db"]
    assert size == other_size, "or it is found by its size"
    swapped = first[:begin] + second[other : other + size] + first[begin + size :]
    assert refused(written(tmp_path, swapped)) == "SR-BACKUP-007"


def test_the_manifest_of_another_backup_is_found(made, tmp_path):
    _, second = (path.read_bytes() for path in made)
    _, (_, follows, *_) = members(made[0])[:2]
    (_, header, *_), (_, other_follows, *_) = members(made[1])[:2]
    replaced = second[header:other_follows] + made[0].read_bytes()[follows:]
    assert refused(written(tmp_path, replaced)) in {"SR-BACKUP-005", "SR-BACKUP-006", "SR-BACKUP-007"}


def test_another_keyring_is_named_and_so_is_the_one_that_is_needed(made, tmp_path):
    for other in (roots(2), roots(2, 3)):
        with pytest.raises(KeyMissing) as caught, opened_backup(made[0], other):
            pass
        assert caught.value.code == "SR-BACKUP-011"
        assert ROOT.key_id(1) in caught.value.what
        assert other.key_id(2) in caught.value.why


def remade(path, change, tmp_path, root=ROOT):
    """The backup at ``path`` with another manifest, which whoever has the key has authenticated."""
    with path.open("rb") as file:
        untrusted = container.manifest_bytes(file)
        rest = file.read()
    members = json.loads(untrusted)["manifest"]
    change(members)
    inner = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    again = authenticated(inner, root)
    whole = container.beginning("manifest.json", len(again)) + again + container.padding(len(again)) + rest
    return written(tmp_path, whole)


def authenticated(inner, root):
    mac = root.subroot(BACKUPS, 1).mac(_authenticated(1, inner))
    return b'{"manifest":%b,"key_version":1,"mac":"%b"}\n' % (inner, mac.hex().encode())


def set_part(name, value, number=0):
    return lambda members: members["parts"][number].__setitem__(name, value)


def leaves_out(**changes):
    texts = dict.fromkeys(("name", "project_dir", "owner_id", "workspace_id", "provider"), "x")
    whole = {**texts, "own": True, "is_to_be_open": False, "counts": {"1": 2}, "seen_at": 0, **changes}
    return lambda members: members.update(left_out=[whole])


def needs(version, key_id):
    return lambda members: members["keys"].append({"version": version, "key_id": key_id, "retired": False})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda m: m.update(format=2, release="9.9"), "SR-BACKUP-002", id="an unknown format"),
        pytest.param(lambda m: m.update(schema="0999"), "SR-BACKUP-002", id="a newer schema"),
        pytest.param(lambda m: m.update(parts=[]), "SR-BACKUP-003", id="no parts"),
        pytest.param(lambda m: m.update(more=1), "SR-BACKUP-003", id="a member that no release writes"),
        pytest.param(lambda m: m.pop("deployment_id"), "SR-BACKUP-003", id="a member is missing"),
        pytest.param(set_part("name", "../../etc/passwd"), "SR-BACKUP-003", id="a name that leads out"),
        pytest.param(set_part("name", "/etc/passwd"), "SR-BACKUP-003", id="an absolute name"),
        pytest.param(set_part("at", "../outside.db", 1), "SR-BACKUP-003", id="a place that leads out"),
        pytest.param(set_part("at", "a/../../b", 1), "SR-BACKUP-003", id="a place that leads out in the middle"),
        pytest.param(set_part("at", "/abs", 1), "SR-BACKUP-003", id="an absolute place"),
        pytest.param(set_part("bytes", -1), "SR-BACKUP-003", id="a negative size"),
        pytest.param(set_part("bytes", 2**80), "SR-BACKUP-003", id="a size that no file has"),
        pytest.param(set_part("bytes", 2**40), "SR-BACKUP-005", id="a terabyte that is not there"),
        pytest.param(set_part("sha256", "zz"), "SR-BACKUP-003", id="a digest that is none"),
        pytest.param(lambda m: m["parts"].append(dict(m["parts"][0])), "SR-BACKUP-003", id="one part twice"),
        pytest.param(lambda m: m["parts"].reverse(), "SR-BACKUP-003", id="a database that is not the first part"),
        pytest.param(leaves_out(name=7), "SR-BACKUP-003", id="a workspace without a name"),
        pytest.param(leaves_out(project_dir="/" + 4_096 * "x"), "SR-BACKUP-003", id="a workspace that is nowhere"),
        pytest.param(leaves_out(counts={"256": 1}), "SR-BACKUP-003", id="a key version that is none"),
        pytest.param(leaves_out(counts={"1": "x"}), "SR-BACKUP-003", id="a count that is none"),
        pytest.param(leaves_out(counts=[]), "SR-BACKUP-003", id="no counts"),
        pytest.param(needs(2, roots(1, 2).key_id(2)), "SR-BACKUP-011", id="a key that the keyring has not"),
        pytest.param(needs(1, "k1-0123456789abcdef"), "SR-BACKUP-011", id="another key of a version that it has"),
        pytest.param(lambda m: m.update(parts=m["parts"] * 20_000), "SR-BACKUP-003", id="more parts than there may be"),
    ],
)
def test_what_whoever_has_the_key_writes_is_refused_too_where_it_harms(made, tmp_path, change, code):
    assert refused(remade(made[0], change, tmp_path)) == code


@pytest.mark.parametrize("size", [16_000_001, 8**11 - 1])
def test_a_manifest_that_claims_to_be_huge_is_not_read(tmp_path, size):
    path = written(tmp_path, container.beginning("manifest.json", size) + b"x" * 2048)
    assert refused(path) == "SR-BACKUP-001"


@pytest.mark.parametrize(
    ("size", "read", "why"), [(16_000_000, 2560, "is cut off"), (16_000_001, 512, "does not begin with a manifest")]
)
def test_of_a_manifest_that_is_longer_than_it_may_be_nothing_is_read(size, read, why):
    file = io.BytesIO(container.beginning("manifest.json", size) + b"x" * 2048)
    with pytest.raises(InvalidInput) as caught:
        container.manifest_bytes(file)
    assert (why in caught.value.why, file.tell()) == (True, read)


def test_what_is_no_file_or_no_tar_is_refused(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert refused(fifo) == "SR-BACKUP-001"
    bomb = io.BytesIO()
    with tarfile.open(fileobj=bomb, mode="w") as tar:
        link = tarfile.TarInfo("manifest.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert refused(written(tmp_path, bomb.getvalue())) == "SR-BACKUP-001"


def test_a_refused_backup_leaves_nothing_of_itself(made, tmp_path):
    data = made[0].read_bytes()
    path = written(tmp_path, flipped(data, len(data) // 2))
    new = tmp_path / "new"
    with pytest.raises(InvalidInput) as caught:
        restored(path, new, 1)
    assert caught.value.code == "SR-BACKUP-007"
    assert {each.name for each in new.iterdir()} <= {"strongroom.lock", "strongroom.db.lock"}


def state_of(path, tmp_path, change):
    """The backup at ``path`` with another database, which whoever has the key has put there."""
    with path.open("rb") as file:
        manifest = read_manifest(container.manifest_bytes(file), ROOT)
        pieces = {part.name: b"".join(container.read_part(file, part)) for part in manifest.parts}
    database = tmp_path / "state.db"
    database.write_bytes(pieces["state.db"])
    change(database)
    pieces["state.db"] = database.read_bytes()
    return written(tmp_path, whole(manifest, pieces))


def whole(manifest, pieces):
    parts = tuple(
        Part(
            name=each.name,
            bytes=len(pieces[each.name]),
            sha256=hashlib.sha256(pieces[each.name]).hexdigest(),
            at=each.at,
        )
        for each in manifest.parts
    )
    again = signed(dataclasses.replace(manifest, parts=parts), ROOT)
    out = container.beginning("manifest.json", len(again)) + again + container.padding(len(again))
    for part in parts:
        out += container.beginning(part.name, part.bytes) + pieces[part.name] + container.padding(part.bytes)
    return out + container.end()


def overwritten(database):
    data = bytearray(database.read_bytes())
    data[4096 : 4096 + 2048] = b"\xff" * 2048
    database.write_bytes(data)


def altered(database):
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE runs SET status = 'failed'")
    connection.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(overwritten, "SR-BACKUP-008", id="unsound"),
        pytest.param(altered, "SR-BACKUP-009", id="a record changed"),
    ],
)
def test_a_database_that_was_bad_before_it_was_backed_up_is_found(made, tmp_path, change, code):
    path = state_of(made[0], tmp_path, change)
    (tmp_path / "parts").mkdir()
    with pytest.raises(InvalidInput) as caught, checked_backup(path, ROOT, tmp_path / "parts"):
        pass
    assert caught.value.code == code


def test_a_manifest_is_read_as_it_was_written(made):
    with made[0].open("rb") as file:
        manifest = read_manifest(container.manifest_bytes(file), ROOT)
    assert isinstance(manifest, Manifest)
    assert read_manifest(signed(manifest, ROOT), ROOT) == manifest
