"""Embeddings as files: `.npy`, `.safetensors`, `.parquet`.

- npy: the array alone, as s3prl and SUPERB users keep features: (D,) or (T, D), with all layers
  (layers, D) or (layers, T, D).
- safetensors: the same array as the tensor `embedding`, with source, layer, level, seconds a frame
  and duration as metadata.
- Parquet: a row for each frame and layer, or for each layer where there are no frames.
"""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import MissingExtraError
from wav2vec2_conformer.inference.embedding import Embedding

EmbeddingFormat = Literal["npy", "safetensors", "parquet"]


def write_embedding(embedding: Embedding, path: Path, format_name: EmbeddingFormat) -> None:
    """Write an embedding, as a whole or not at all.

    The frames are written where it has any, and its vector otherwise.

    Args:
        embedding: What to write.
        path: Where to.
        format_name: See the module.

    Raises:
        MissingExtraError: Parquet needs pyarrow, which is not installed.
        OSError: The file cannot be written.
    """
    array = embedding.vector if embedding.frames is None else embedding.frames
    if format_name == "parquet":
        check_parquet()
    with write_whole(path) as temporary:
        if format_name == "npy":
            with temporary.open("wb") as file:
                np.save(file, array)
        elif format_name == "safetensors":
            _write_safetensors(embedding, array, temporary)
        else:
            _write_parquet(embedding, array, temporary)


def check_parquet() -> None:
    """Check that Parquet can be written.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise MissingExtraError("Parquet", "pyarrow", "parquet") from error


def _write_safetensors(embedding: Embedding, array: NDArray[np.float32], path: Path) -> None:
    from safetensors.numpy import save_file  # noqa: PLC0415 - one of three formats

    metadata = {
        "source": embedding.source,
        "layer": str(embedding.layer),
        "level": "utterance" if embedding.frames is None else "frame",
        "frame_s": repr(embedding.frame_s),
        "duration_s": repr(embedding.duration_s),
    }
    save_file({"embedding": np.ascontiguousarray(array)}, path, metadata=metadata)


def _write_parquet(embedding: Embedding, array: NDArray[np.float32], path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - of an extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    has_frames = embedding.frames is not None
    layers = array if embedding.layer == "all" else array[None]
    num_frames = layers.shape[1] if has_frames else 1
    rows = layers.reshape(-1, layers.shape[-1])
    names = range(len(layers)) if embedding.layer == "all" else [embedding.layer]
    columns: dict[str, Any] = {
        "source": [embedding.source] * len(rows),
        "layer": [str(name) for name in names for _ in range(num_frames)],
    }
    if has_frames:
        starts_s = [frame * embedding.frame_s for frame in range(num_frames)]
        columns["start_s"] = starts_s * len(layers)
    values = pa.array(rows.reshape(-1))
    columns["vector"] = pa.FixedSizeListArray.from_arrays(values, rows.shape[1])
    pq.write_table(pa.table(columns), path)
