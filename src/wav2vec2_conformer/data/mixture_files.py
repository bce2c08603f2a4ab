"""A set of simulated conversations as files: audio, manifest, RTTM and UEM."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import soundfile

from wav2vec2_conformer.data.manifest import Utterance, format_manifest
from wav2vec2_conformer.data.mixtures import SAMPLE_RATE_HZ, MixtureRecipe, draw_mixture
from wav2vec2_conformer.data.rttm import format_rttm
from wav2vec2_conformer.data.speaker_turns import as_segments
from wav2vec2_conformer.data.uem import Part, format_uem
from wav2vec2_conformer.data.whole_file import write_whole
from wav2vec2_conformer.errors import InputError

MANIFEST_NAME = "manifest.jsonl"
RTTM_NAME = "references.rttm"
UEM_NAME = "references.uem"


def write_mixtures(
    voices: Mapping[str, Sequence[Utterance]],
    recipe: MixtureRecipe,
    folder: Path,
    *,
    num_mixtures: int,
    seed: int = 0,
    on_progress: Callable[[float], None] | None = None,
) -> Path:
    """Write simulated conversations. The same arguments write the same files.

    Args:
        voices: Utterances of each speaker, as `mixtures.group_by_speaker` returns them.
        recipe: What conversations are like.
        folder: Gets `mixture-00000.flac` and so on; `manifest.jsonl`, whose rows have
            `segments`; `references.rttm` and `references.uem`. Must be there.
        num_mixtures: How many.
        seed: A conversation depends on this and its number alone: of 100 the first 10 are those
            of a set of 10.
        on_progress: Called with the seconds of each conversation that is written.

    Returns:
        Path of the manifest, which is written last.

    Raises:
        AudioError: An utterance cannot be decoded.
        InputError: There are fewer voices than speakers, or no mixture is asked for.
        OSError: A file cannot be written.
    """
    if num_mixtures < 1:
        raise InputError(f"num_mixtures must be at least 1, got {num_mixtures}")
    rows: list[Utterance] = []
    rttm: list[str] = []
    parts: dict[str, list[Part]] = {}
    for number in range(num_mixtures):
        mixture = draw_mixture(voices, recipe, np.random.default_rng([seed, number]))
        path = folder / f"mixture-{number:05d}.flac"
        with write_whole(path) as temporary:
            soundfile.write(temporary, mixture.waveform, SAMPLE_RATE_HZ)
        duration_s = mixture.waveform.size / SAMPLE_RATE_HZ
        rows.append(Utterance(path, duration_s, "", extra={"segments": as_segments(mixture.turns)}))
        rttm.append(format_rttm(path.stem, mixture.turns))
        parts[path.stem] = [(0.0, duration_s)]
        if on_progress is not None:
            on_progress(duration_s)
    for name, text in (
        (RTTM_NAME, "".join(rttm)),
        (UEM_NAME, format_uem(parts)),
        (MANIFEST_NAME, format_manifest(rows, folder)),
    ):
        with write_whole(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder / MANIFEST_NAME
