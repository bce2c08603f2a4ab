"""Reading a checkpoint of any of the formats."""

from pathlib import Path

from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.dictionary import find_dictionary, read_dictionary
from wav2vec2_conformer.checkpoints.fairseq_reading import read_fairseq
from wav2vec2_conformer.checkpoints.torch_file import TorchFile
from wav2vec2_conformer.checkpoints.transformers_reading import (
    read_config,
    read_transformers_file,
    read_transformers_folder,
    tensors_of,
)
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError

# In the names of transformers and in no name of fairseq.
_TRANSFORMERS_PART = "feature_projection."


def read_checkpoint(
    path: str | Path,
    *,
    dictionary: str | Path | None = None,
    config: str | Path | None = None,
) -> Checkpoint:
    """Read a checkpoint: a folder of transformers, or a file of fairseq, S3PRL or transformers.

    Nothing in the file is run. Faults of the contents are told by the result
    (`Checkpoint.problems`).

    Args:
        path: The folder, or a `.pt`, `.bin`, `.safetensors` file or one without ending.
        dictionary: A `dict.ltr.txt` or `vocab.json` for the outputs of a fine-tuned model; by
            default the one in the file or folder, else the one beside it.
        config: A config.json for files that do not tell their whole configuration.

    Raises:
        CheckpointError: It cannot be read, or is no Wav2Vec2-Conformer.
    """
    path = Path(path)
    given = None if config is None else read_config(Path(config))
    if not path.exists():
        raise CheckpointError(f"{path}: no such file or folder.")
    if path.is_dir():
        checkpoint = read_transformers_folder(path, given=given)
    elif path.suffix == ".safetensors":
        checkpoint = read_transformers_file(path, given=given)
    else:
        checkpoint = _read_torch_file(path, given)
    if dictionary is not None:
        vocabulary = read_dictionary(dictionary)
        if checkpoint.vocabulary not in (None, vocabulary):
            checkpoint.disagreements.append(f"its own dictionary is not that of {dictionary}")
        checkpoint.set_vocabulary(vocabulary, dictionary)
    elif checkpoint.has_ctc_head and checkpoint.vocabulary is None:
        _look_beside(checkpoint)
    return checkpoint


def _look_beside(checkpoint: Checkpoint) -> None:
    """Take the dictionary beside the file, if there is one and it fits."""
    beside = find_dictionary(checkpoint.path.parent, checkpoint.training.get("labels"))
    if beside is None:
        return
    try:
        checkpoint.set_vocabulary(read_dictionary(beside), beside)
        checkpoint.notes.append(f"the dictionary is that of {beside}")
    except CheckpointError as error:
        checkpoint.notes.append(f"the dictionary beside it does not fit: {error}")


def _read_torch_file(path: Path, given: Wav2Vec2ConformerConfig | None) -> Checkpoint:
    file = TorchFile(path)
    contents = file.contents
    if not isinstance(contents, dict):
        raise CheckpointError(f"{path}: holds a {type(contents).__name__}, not a checkpoint.")
    if any(isinstance(name, str) and _TRANSFORMERS_PART in name for name in contents):
        return read_transformers_file(path, tensors_of(file), given=given)
    return read_fairseq(file, given=given)
