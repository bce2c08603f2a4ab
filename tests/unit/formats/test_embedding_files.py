import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from wav2vec2_conformer.errors import MissingExtraError
from wav2vec2_conformer.formats.embedding_files import write_embedding
from wav2vec2_conformer.inference.embedding import Embedding, Layer


def make_embedding(*, layer: Layer, has_frames: bool) -> Embedding:
    frames = np.arange(24, dtype=np.float32).reshape(2, 3, 4)  # layers, T, D
    if layer != "all":
        frames = frames[1]
    return Embedding(
        source="a.wav",
        vector=frames.mean(axis=-2),
        frames=frames if has_frames else None,
        layer=layer,
        frame_s=0.02,
        duration_s=0.07,
    )


def test_npy_holds_frames_where_there_are_any_and_the_vector_otherwise(tmp_path: Path) -> None:
    for layer, has_frames, shape in [
        (1, False, (4,)),
        (1, True, (3, 4)),
        ("all", False, (2, 4)),
        ("all", True, (2, 3, 4)),
    ]:
        embedding = make_embedding(layer=layer, has_frames=has_frames)
        write_embedding(embedding, tmp_path / "a.npy", "npy")
        array = np.load(tmp_path / "a.npy")
        assert array.shape == shape
        assert array.dtype == np.float32
        expected = embedding.frames if has_frames else embedding.vector
        np.testing.assert_array_equal(array, expected)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


def test_safetensors_say_where_they_come_from(tmp_path: Path) -> None:
    embedding = make_embedding(layer=1, has_frames=True)
    write_embedding(embedding, tmp_path / "a.safetensors", "safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        np.testing.assert_array_equal(file.get_tensor("embedding"), embedding.frames)
        assert file.metadata() == {
            "source": "a.wav",
            "layer": "1",
            "level": "frame",
            "frame_s": "0.02",
            "duration_s": "0.07",
        }


def test_parquet_has_a_row_for_each_layer_and_frame(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    embedding = make_embedding(layer="all", has_frames=True)
    write_embedding(embedding, tmp_path / "a.parquet", "parquet")
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert [(row["layer"], round(row["start_s"], 6)) for row in rows] == [
        ("0", 0.0),
        ("0", 0.02),
        ("0", 0.04),
        ("1", 0.0),
        ("1", 0.02),
        ("1", 0.04),
    ]
    assert rows[4]["vector"] == embedding.frames[1, 1].tolist()


def test_parquet_of_an_utterance_is_one_row(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    embedding = make_embedding(layer="xvector", has_frames=False)
    write_embedding(embedding, tmp_path / "a.parquet", "parquet")
    assert parquet.read_table(tmp_path / "a.parquet").to_pylist() == [
        {"source": "a.wav", "layer": "xvector", "vector": embedding.vector.tolist()}
    ]


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"wav2vec2-conformer\[parquet\]"):
        write_embedding(
            make_embedding(layer=1, has_frames=False), tmp_path / "a.parquet", "parquet"
        )
    assert not list(tmp_path.iterdir())
