"""The pieces of a run: as few as there are, and none where they are too many."""

from itertools import pairwise

from strongroom.workspace.document import Document
from strongroom.workspace.placing import BLOCKS_MAX, _blocks


def document(*sizes):
    """An array of values that were pushed in groups of these sizes, each written after something else."""
    made = Document("notes", client_id=7)
    for number, size in enumerate(sizes):
        with made.transaction():
            made.array("other").append(number)
        with made.transaction():
            made.array("kv").extend([{"key": f"{number}-{each}"} for each in range(size)])
    return made


def pieces(made, first, end):
    with made.transaction():
        return _blocks(made.array("kv"), first, end)


def test_a_run_is_cut_where_something_else_was_written_and_nowhere_else():
    made = document(33, 66, 1)
    assert pieces(made, 0, 100) == [(0, 33), (33, 99), (99, 100)]
    assert pieces(made, 5, 99) == [(5, 33), (33, 99)]
    assert pieces(made, 40, 41) == [(40, 41)]


def test_pieces_cover_the_run_wherever_it_begins_and_ends():
    made = document(7, 13, 1, 50, 29)
    for first in range(0, 100, 9):
        for end in range(first + 1, 101, 7):
            found = pieces(made, first, end)
            assert (found[0][0], found[-1][1]) == (first, end)
            assert all(one[1] == other[0] for one, other in pairwise(found))
            assert len(found) <= 5


def test_more_pieces_than_are_replaced_one_by_one_are_none_of_them():
    made = document(*[10] * (BLOCKS_MAX + 1))
    assert len(pieces(made, 0, 10 * BLOCKS_MAX)) == BLOCKS_MAX
    assert pieces(made, 0, 10 * BLOCKS_MAX + 1) is None


def test_what_takes_too_many_looks_is_given_up_whole():
    sizes = [990 + 7 * number for number in range(BLOCKS_MAX)]
    assert pieces(document(*sizes), 0, sum(sizes)) is None
