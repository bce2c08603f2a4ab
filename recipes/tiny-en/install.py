"""Put a trained model into the package in place of the bundled one.

    python recipes/tiny-en/install.py FINAL_FOLDER

The card and the language model stay as they are. What the card says, the language model's weights
and the heads hang on the weights: the recipe's page says what comes next.
"""

import shutil
import sys
from pathlib import Path

from safetensors import safe_open

from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path

WEIGHTS = "model.safetensors"
COPIED = ("config.json", "preprocessor_config.json", "tokenizer_config.json", "vocab.json", WEIGHTS)


def main(final: Path, bundled: Path) -> None:
    """Copy the weights and what belongs to them."""
    missing = [name for name in COPIED if not (final / name).is_file()]
    if missing:
        sys.exit(f"{final} lacks {', '.join(missing)}; name a folder `final` of `finetune`")
    with safe_open(final / WEIGHTS, "pt") as weights:
        dtype = weights.get_slice("lm_head.weight").get_dtype()
    if dtype != "F16":
        sys.exit(
            f"{final} holds {dtype}, and the package float16: train with `save_dtype: float16`"
        )
    for name in COPIED:
        # Not `copy`: finetune's weights may be for its user's eyes only.
        shutil.copyfile(final / name, bundled / f"{name}.part")
        (bundled / f"{name}.part").replace(bundled / name)
    sys.stdout.write(f"{bundled}\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004
        sys.exit((__doc__ or "").strip())
    main(Path(sys.argv[1]), bundled_checkpoint_path())
