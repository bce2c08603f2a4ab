"""fairseq's lists: `train.tsv` names audio, `train.ltr` or `train.wrd` say what it says.

The first line of the tsv is the folder of the audio; each further line is a path in it and the
number of samples. Source: fairseq, `examples/wav2vec/wav2vec_manifest.py` and `libri_labels.py`.
"""

from pathlib import Path

from wav2vec2_conformer.data.manifest import Utterance, read_text
from wav2vec2_conformer.data.paths import locate_inside
from wav2vec2_conformer.errors import ManifestError

# fairseq trains on audio at this rate only, and counts its samples.
SAMPLE_RATE_HZ = 16_000
_WORD_END = "|"


def read_fairseq_list(path: Path) -> list[Utterance]:
    """Read a tsv of fairseq with the labels beside it.

    Words (`.wrd`) are preferred to letters (`.ltr`), which are joined to words.

    Args:
        path: The tsv. Its first line may be relative to the tsv's folder.

    Returns:
        The utterances, with empty texts where there are no labels.

    Raises:
        ManifestError: A line is not usable, the lists have different lengths, or a path
            leaves the folder.
    """
    lines = _read_lines(path)
    if not lines:
        raise ManifestError(f"{path}: the list is empty; its first line must name a folder")
    root = path.parent / lines[0].strip()
    texts = _read_texts(path, len(lines) - 1)
    utterances = []
    for number, (line, text) in enumerate(zip(lines[1:], texts, strict=True), start=2):
        place = f"{path}, line {number}"
        name, _, num_samples = line.rpartition("\t")
        if not name or not num_samples.strip().isdecimal():
            raise ManifestError(f"{place}: expected a path, a tab and a number, got {line!r}")
        utterances.append(
            Utterance(
                audio_path=locate_inside(root, name, place),
                duration_s=int(num_samples) / SAMPLE_RATE_HZ,
                text=text,
            )
        )
    return utterances


def _read_texts(path: Path, num_utterances: int) -> list[str]:
    words, letters = path.with_suffix(".wrd"), path.with_suffix(".ltr")
    if words.is_file():
        labels = words
        texts = [" ".join(line.split()) for line in _read_lines(words)]
    elif letters.is_file():
        labels = letters
        texts = [
            " ".join("".join(line.split()).replace(_WORD_END, " ").split())
            for line in _read_lines(letters)
        ]
    else:
        return [""] * num_utterances
    if len(texts) != num_utterances:
        raise ManifestError(
            f"{labels}: holds {len(texts)} lines, but {path.name} names {num_utterances} files"
        )
    return texts


def _read_lines(path: Path) -> list[str]:
    text = read_text(path)
    return text.removesuffix("\n").split("\n") if text.strip() else []
