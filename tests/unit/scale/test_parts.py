"""How a job is cut into parts."""

from itertools import pairwise

import pytest

from wav2vec2_conformer.scale.parts import Part, plan_parts
from wav2vec2_conformer.scale.recordings import Recording, Shard


def recordings(num: int, length_s: float | None = 10.0) -> list[Recording]:
    return [Recording(f"{n}", f"/{n}.wav", None, length_s) for n in range(num)]


def test_parts_hold_so_many_seconds_and_all_recordings_in_order() -> None:
    parts = list(plan_parts(recordings(10), part_seconds=35))
    assert [len(part.recordings) for part in parts] == [3, 3, 3, 1]
    assert [r for part in parts for r in part.recordings] == recordings(10)
    assert len({part.name for part in parts}) == 4


def test_a_long_recording_is_a_part_and_a_shard_is_one() -> None:
    shard = Shard("a.tar", "/a.tar")
    parts = list(plan_parts([shard, *recordings(2, 100.0)], part_seconds=35))
    assert [len(part.recordings) for part in parts] == [1, 1, 0]
    assert parts[-1].shard == shard


def test_a_list_that_grows_keeps_its_parts() -> None:
    before = [part.name for part in plan_parts(recordings(100))]
    after = [part.name for part in plan_parts(recordings(120))]
    assert after[: len(before) - 1] == before[:-1]


@pytest.mark.parametrize(
    ("num_hours", "part_s"), [(1, 120.0), (30, 240.0), (400, 3600.0), (10_000, 3600.0)]
)
def test_parts_grow_with_the_job(num_hours: int, part_s: float) -> None:
    parts = list(plan_parts(recordings(num_hours, 3600.0 / 30) * 30))
    assert {round(sum(r.duration_s or 0 for r in part.recordings)) for part in parts[:-1]} == {
        round(part_s)
    }


def test_recordings_of_unknown_length_are_counted() -> None:
    parts = list(plan_parts(recordings(9000, None), part_seconds=1e9))
    assert [len(part.recordings) for part in parts] == [2000, 2000, 2000, 2000, 1000]


def test_a_part_is_the_same_as_text() -> None:
    for part in (
        Part("a", (Recording("é", "/x", 1.5, None),)),
        Part("b", shard=Shard("s", "/s.tar"), done_ids=("s:1",)),
    ):
        assert Part.from_json(part.to_json()) == part


def test_no_two_parts_have_one_name() -> None:
    names = sorted(part.name for part in plan_parts(recordings(500), part_seconds=10))
    assert all(one != other for one, other in pairwise(names))
