"""The trees of a search: what they keep and what they forget."""

import numpy as np

from wav2vec2_conformer.decoding.emission_times import EmissionTimes
from wav2vec2_conformer.decoding.parent_links import find_needed, find_trunk
from wav2vec2_conformer.decoding.prefix_tree import PrefixTree


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


def test_needed_rows_are_ancestors_and_the_trunk_is_shared() -> None:
    #     0 - 1 - 2 - 3 - 5
    #           \\   \\ 4 - 6
    #             7
    parents = rows(0, 0, 1, 2, 2, 3, 4, 1)
    needed = find_needed(parents, rows(5, 6))
    assert needed.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert find_trunk(parents, rows(5, 6), needed) == [0, 1, 2]
    assert find_trunk(parents, rows(5, 1), find_needed(parents, rows(5, 1))) == [0, 1]
    assert find_trunk(parents, rows(0), find_needed(parents, rows(0))) == [0]


def test_a_tree_keeps_paths_and_children_through_compaction() -> None:
    tree = PrefixTree(3, max_rows=4)
    a = tree.add_one(0, 2)
    ab, ac = tree.add(rows(a, a), rows(1, 2)).tolist()
    abb = tree.add_one(ab, 1)
    dead = tree.add_one(ab, 2)
    assert tree.is_crowded
    assert tree.path(abb) == [2, 1, 1]
    numbers, cut = tree.compact(rows(abb, ac))
    assert cut == [2]
    assert numbers[dead] == -1
    assert tree.path(numbers[abb]) == [1, 1]
    assert tree.path(numbers[ac]) == [2]
    assert tree.parent(numbers[abb]) == numbers[ab]
    assert tree.children[0].tolist() == [-1, numbers[ab], numbers[ac]]
    assert tree.children[numbers[ab]].tolist() == [-1, numbers[abb], -1]
    fresh = tree.add_one(int(numbers[ab]), 2)
    assert tree.children[fresh].tolist() == [-1, -1, -1]
    assert tree.path(fresh) == [1, 2]


def test_a_tree_grows_beyond_its_first_size() -> None:
    tree = PrefixTree(2, max_rows=100)
    row = 0
    for _ in range(700):
        row = int(tree.add(rows(row), rows(1))[0])
    assert len(tree) == 701
    assert tree.path(row) == [1] * 700


def test_times_are_the_same_before_and_after_compaction() -> None:
    times = EmissionTimes()
    first = times.add_one(0, 0, 3)
    second, other = times.add(rows(first, first), rows(5, 4), 7).tolist()
    third = times.add_one(second, 9, 11)
    starts, ends = times.frames(third, 12)
    assert starts.tolist() == [3, 7, 11]
    assert ends.tolist() == [5, 9, 12]
    numbers = times.compact(rows(third, other))
    assert [array.tolist() for array in times.frames(numbers[third], 12)] == [
        [3, 7, 11],
        [5, 9, 12],
    ]
    assert [array.tolist() for array in times.frames(numbers[other], 8)] == [[3, 7], [4, 8]]
    again = times.compact(rows(numbers[third]))
    assert again[numbers[third]] == 0
    assert [array.tolist() for array in times.frames(0, 13)] == [[3, 7, 11], [5, 9, 13]]
