"""Write the sentences that a language model of the recipe may learn from.

    python recipes/tiny-en/sentences.py librispeech_train_clean_100_text.txt.gz OUTPUT.txt

Those of the held-out speakers are left out: on them its weights are tuned.
"""

import gzip
import sys
from pathlib import Path

from prepare import HELD_OUT_SPEAKERS


def main(transcripts: Path, output: Path) -> None:
    """Read lines of an utterance's name and its text, write the texts."""
    with gzip.open(transcripts, "rt", encoding="utf-8") as file:
        named = [line.strip().split(" ", 1) for line in file]
    kept = [text for name, text in named if name.split("-")[0] not in HELD_OUT_SPEAKERS]
    output.write_text("".join(f"{text}\n" for text in kept), encoding="utf-8")
    print(f"{len(kept)} of {len(named)} sentences")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
