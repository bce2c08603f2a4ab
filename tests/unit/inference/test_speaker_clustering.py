"""Voices to speakers."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.inference.speaker_clustering import assign_voices, cluster_voices, link


def draw_voices(counts: list[int], spread: float = 0.1, seed: int = 0) -> np.ndarray:
    """Return voices of speakers who share a strong common part, as embeddings of one room do."""
    rng = np.random.default_rng(seed)
    common = 3 * rng.normal(size=16)
    voices = [
        common + rng.normal(size=16) + spread * rng.normal(size=(count, 16)) for count in counts
    ]
    vectors = np.concatenate(voices)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def same(speakers: np.ndarray, counts: list[int]) -> bool:
    """Return whether speakers are those of `draw_voices`, by whatever numbers."""
    truth = np.repeat(np.arange(len(counts)), counts)
    return bool(((speakers[:, None] == speakers) == (truth[:, None] == truth)).all())


def apart(num_voices: int) -> np.ndarray:
    return np.arange(num_voices)


@pytest.mark.parametrize("counts", [[12], [8, 9], [10, 6, 7], [5, 5, 5, 5]])
def test_the_number_of_speakers_is_found(counts: list[int]) -> None:
    vectors = draw_voices(counts)
    speakers = cluster_voices(vectors, apart(len(vectors)), same_speaker_score=0.99)
    assert same(speakers, counts)
    assert speakers.min() == 0
    assert speakers.max() == len(counts) - 1


def test_a_given_number_is_kept_however_alike_or_different() -> None:
    vectors = draw_voices([6, 6, 6])
    for num_speakers in (1, 2, 4):
        speakers = cluster_voices(
            vectors,
            apart(18),
            same_speaker_score=0.99,
            min_speakers=num_speakers,
            max_speakers=num_speakers,
        )
        assert len(set(speakers.tolist())) == num_speakers
    few = cluster_voices(vectors[:2], apart(2), same_speaker_score=0.9, min_speakers=4)
    assert len(set(few.tolist())) == 2


def test_voices_of_one_group_are_different_speakers() -> None:
    vectors = draw_voices([8], spread=0.3)
    groups = np.repeat(np.arange(4), 2)
    speakers = cluster_voices(vectors, groups, same_speaker_score=0.9)
    assert (speakers[::2] != speakers[1::2]).all()
    one = cluster_voices(vectors, groups, same_speaker_score=0.9, max_speakers=1)
    assert not one.any()


def test_a_single_strange_voice_is_no_speaker_where_more_are_needed() -> None:
    vectors = draw_voices([9, 9, 1])
    found = {
        min_voices: len(
            set(
                cluster_voices(
                    vectors, apart(19), same_speaker_score=0.99, min_voices=min_voices
                ).tolist()
            )
        )
        for min_voices in (1, 3)
    }
    assert found == {1: 3, 3: 2}


def test_few_voices_are_of_one_speaker_unless_more_are_asked_for() -> None:
    vectors = draw_voices([2, 2])
    settings = {"same_speaker_score": 0.99, "min_voices": 4}
    assert not cluster_voices(vectors, apart(4), **settings).any()
    assert same(cluster_voices(vectors, apart(4), **settings, min_speakers=2), [2, 2])


@pytest.mark.parametrize("num_voices", [2, 7, 60])
def test_the_tree_is_scipys(num_voices: int) -> None:
    vectors = draw_voices([num_voices], spread=1.0, seed=num_voices)
    scores = (vectors @ vectors.T).astype(np.float64)
    merges = link(scores)
    assert len(merges) == num_voices - 1
    distances = np.clip(1 - (scores + scores.T) / 2, 0, None)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average")
    for num_clusters in {1, 2, max(1, num_voices // 2)}:
        clusters = np.arange(num_voices)
        for kept, joined in merges[: num_voices - num_clusters]:
            clusters[clusters == clusters[joined]] = clusters[kept]
        expected = fcluster(tree, num_clusters, "maxclust")
        assert ((clusters[:, None] == clusters) == (expected[:, None] == expected)).all()


def test_more_voices_than_the_tree_holds_find_their_speakers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("wav2vec2_conformer.inference.speaker_clustering._MAX_LINKED", 10)
    vectors = draw_voices([30, 25])
    assert same(cluster_voices(vectors, apart(55), same_speaker_score=0.99), [30, 25])


def test_of_a_group_the_surest_voice_chooses_first() -> None:
    means = np.eye(3)
    vectors = np.array([[0.8, 0.6, 0], [0.9, 0.1, 0.4], [0.9, 0.1, 0.4]])
    assert assign_voices(vectors, means, np.array([0, 0, 1])).tolist() == [1, 0, 0]


@pytest.mark.parametrize(("least", "most"), [(0, None), (3, 2)])
def test_numbers_of_speakers_that_contradict_are_refused(least: int, most: int | None) -> None:
    with pytest.raises(InputError, match=f"they are {least} and {most}"):
        cluster_voices(
            draw_voices([3]),
            apart(3),
            same_speaker_score=0.9,
            min_speakers=least,
            max_speakers=most,
        )
