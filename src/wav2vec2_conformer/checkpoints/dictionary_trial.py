"""Which of several dictionaries belongs to a fine-tuned model: the one whose text makes sense."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from wav2vec2_conformer.audio import load_audio, normalize_waveform
from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.equality import load_model
from wav2vec2_conformer.checkpoints.plausibility import LetterPairs
from wav2vec2_conformer.errors import CheckpointError

# Below this the two best cannot be told apart: a wrong order of letters usually costs 0.5 and more.
_MIN_MARGIN_NATS = 0.1


class Trial(NamedTuple):
    """What a dictionary makes of a clip."""

    name: str
    vocabulary: dict[str, int]
    transcript: str
    score: float
    """Mean log-probability of a letter, in nats."""


def try_dictionaries(
    checkpoint: Checkpoint,
    candidates: Mapping[str, dict[str, int]],
    clip: str | Path,
    language: LetterPairs,
) -> list[Trial]:
    """Transcribe a clip with each dictionary, and sort them by how much it looks like language.

    Args:
        checkpoint: A fine-tuned model.
        candidates: Dictionaries by name. Those of another size than the model's head are left out.
        clip: A clip of clear speech in the model's language, some seconds long.
        language: Letter pairs of that language.

    Returns:
        The trials, the best first.

    Raises:
        CheckpointError: No dictionary has the head's size.
        AudioError: The clip cannot be read.
    """
    num_outputs = checkpoint.tensors["lm_head.weight"].shape[0]
    fitting = {name: v for name, v in candidates.items() if len(v) == num_outputs}
    if not fitting:
        sizes = ", ".join(f"{name}: {len(v)}" for name, v in candidates.items())
        raise CheckpointError(
            f"{checkpoint.path}: the head has {num_outputs} outputs, which fits no dictionary "
            f"({sizes}). Give others with --dictionary."
        )
    waveform = load_audio(clip)
    if checkpoint.do_normalize:
        waveform = normalize_waveform(waveform)
    model = load_model(checkpoint)
    with torch.inference_mode():
        best = model(torch.from_numpy(waveform)[None]).logits[0].argmax(dim=1)
    # Repeats count once; the blank is number 0 in all dictionaries.
    labels = [int(label) for label in best.unique_consecutive() if label != 0]
    trials = []
    for name, vocabulary in fitting.items():
        tokens = {index: token for token, index in vocabulary.items()}
        spelled = [tokens[label] for label in labels]
        letters = ["" if len(t) > 1 and t.startswith("<") else t for t in spelled]
        transcript = " ".join("".join(letters).replace("|", " ").split())
        trials.append(Trial(name, vocabulary, transcript, language.score(transcript)))
    return sorted(trials, key=lambda trial: trial.score, reverse=True)


def choose_dictionary(trials: list[Trial]) -> Trial:
    """Return the best trial.

    Args:
        trials: Result of `try_dictionaries`. A dictionary may be there under several names.

    Raises:
        CheckpointError: The best two dictionaries are too close.
    """
    best = trials[0]
    others = [trial for trial in trials if trial.vocabulary != best.vocabulary]
    if others and best.score - others[0].score < _MIN_MARGIN_NATS:
        raise CheckpointError(
            f"the dictionaries {best.name!r} and {others[0].name!r} make about equally much sense "
            "of the clip. Try a longer clip of clear speech, or name the dictionary."
        )
    return best
