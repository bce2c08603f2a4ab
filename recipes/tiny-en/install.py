"""Put a trained model into the package in place of the bundled one, in 16 bits.

    python recipes/tiny-en/install.py MODEL_FOLDER

The card and the language model stay as they are. What the card says, the language model's weights
and the heads hang on the weights: the recipe's page says what comes next.
"""

import sys
import tempfile
from pathlib import Path

import torch

from wav2vec2_conformer import Wav2Vec2ConformerForCTC
from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path
from wav2vec2_conformer.checkpoints.processor import load_processor
from wav2vec2_conformer.training.model_folder import save_model_folder


def main(trained: Path, bundled: Path) -> None:
    """Write weights, configuration and vocabulary."""
    if not (trained / "config.json").is_file():
        sys.exit(f"{trained} is no model's folder; name a folder `final` or one of `convert`")
    model = Wav2Vec2ConformerForCTC.from_pretrained(trained, dtype=torch.float32)
    # Beside the others, so that each takes its place at once.
    with tempfile.TemporaryDirectory(dir=bundled) as folder:
        written = save_model_folder(model, load_processor(trained), Path(folder) / "new", "float16")
        for path in written.iterdir():
            path.chmod(0o644)  # finetune's may be for its user's eyes only
            path.replace(bundled / path.name)
    sys.stdout.write(f"{bundled}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit((__doc__ or "").strip())
    main(Path(sys.argv[1]), bundled_checkpoint_path())
