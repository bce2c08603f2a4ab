"""Where a checkpoint is: a folder, a name on the hub, or inside this package."""

import re
from pathlib import Path

from wav2vec2_conformer.checkpoints.bundled import (
    BUNDLED,
    bundled_checkpoint_path,
    bundled_path,
)
from wav2vec2_conformer.checkpoints.graph_file import find_graph, has_weights
from wav2vec2_conformer.errors import CheckpointError

_CONFIG = "config.json"
_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")  # owner/name, or an old plain name


def locate_checkpoint(checkpoint: str | Path | None, *, allows_graph: bool = False) -> str | Path:
    """Return what `from_pretrained` takes.

    Args:
        checkpoint: A folder, also that of a training run, which stands for the final model in
            it; a model of the Hugging Face hub; `bundled:` and the name of what is
            part of this package (`bundled:tiny-en`, `bundled:speaker`); or None for the
            checkpoint that is part of it.
        allows_graph: Whether it may be an exported model, which has no weights.

    Raises:
        CheckpointError: There is no such folder, it holds no config.json or no weights, or it is
            a file, which `wav2vec2-conformer convert` makes a folder of.
    """
    if isinstance(checkpoint, str) and checkpoint.startswith(BUNDLED):
        return bundled_path(checkpoint.removeprefix(BUNDLED))
    place = bundled_checkpoint_path() if checkpoint is None else checkpoint
    if not (Path(place) / _CONFIG).is_file() and (Path(place) / "final" / _CONFIG).is_file():
        place = Path(place) / "final"
    if not Path(place).exists():
        if not _HUB_NAME.fullmatch(str(place)):
            raise CheckpointError(f"{place}: no such folder.")
    elif Path(place).is_file():
        raise CheckpointError(
            f"{place}: is a file, and models are loaded from folders. Make one of it with: "
            f"wav2vec2-conformer convert {place} FOLDER"
        )
    elif not (Path(place) / _CONFIG).is_file():
        raise CheckpointError(
            f"{place}: is no checkpoint: there is no config.json in it. Name the folder of a "
            "training run that has ended, one of its checkpoints (checkpoint-1000), or a folder "
            "that `save_pretrained` wrote."
        )
    elif not allows_graph and find_graph(place) is not None and not has_weights(place):
        raise CheckpointError(
            f"{place}: is an exported model, without the weights that this needs; transcribe, "
            "align, stream and evaluate can run it. Name the checkpoint it was made of."
        )
    return place
