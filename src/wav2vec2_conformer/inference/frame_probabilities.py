"""A checkpoint that labels frames, and the probabilities it gives them.

Shapes used in this file:
    T  frames
    D  width of the encoder
    C  outputs of the model
    S  tracks: speakers, or labels
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wav2vec2_conformer.checkpoints.processor import load_feature_extractor
from wav2vec2_conformer.checkpoints.quiet_loading import quiet_for_heads
from wav2vec2_conformer.errors import CheckpointError, InputError
from wav2vec2_conformer.inference.compute_type import check_compute_type, load_model
from wav2vec2_conformer.inference.head_loading import LoadedEncoder
from wav2vec2_conformer.inference.hidden_frames import HiddenFrames
from wav2vec2_conformer.inference.loading import choose_device
from wav2vec2_conformer.inference.windows import Window
from wav2vec2_conformer.models.audio_frame_classification import (
    Wav2Vec2ConformerForAudioFrameClassification,
)
from wav2vec2_conformer.nn.powerset import find_marginals

SPEECH = "speech"
_BELOW_HALF = 0.4999
# What transformers calls labels that nobody named.
_UNNAMED = re.compile(r"LABEL_\d+")


class FrameProbabilities:
    """Runs a `Wav2Vec2ConformerForAudioFrameClassification` over windows of recordings.

    Sets of speakers (powerset) become a probability of each speaker, at least 0.5 for those of
    the most probable set and less for the others. With problem type
    `single_label_classification` the labels' probabilities sum to 1; otherwise each has one of
    its own, as the documentation of transformers has it for this head.

    Args:
        model: In eval mode, on its device.
        feature_extractor: Says rate and normalization.
        window_s: Longest piece of audio that the model sees at once, in seconds.
        context_s: Part of it on each side that is context only.
        detects_speech: Gives one track, whether anyone speaks, in place of all.

    Attributes:
        frames: Cuts recordings into windows and runs the encoder.
        names: Of the tracks; of anonymous ones only their number counts.

    Raises:
        InputError: When a window is not longer than its context, or no label stands for speech.
    """

    def __init__(
        self,
        model: Wav2Vec2ConformerForAudioFrameClassification,
        feature_extractor: Any,
        *,
        window_s: float,
        context_s: float,
        detects_speech: bool = False,
    ) -> None:
        weights = model.layer_weights
        layer = model.config.num_hidden_layers if weights is None else "weighted"
        encoder = LoadedEncoder(model.base_model, feature_extractor, weights, None, "")
        self.frames = HiddenFrames(encoder, layer, window_s=window_s, context_s=context_s)
        self._model = model
        self._detects_speech = detects_speech
        names = _track_names(model)
        self.names = (SPEECH,) if detects_speech else names
        # The track that is speech; None where each of them is a speaker.
        self._speech: int | None = names.index(SPEECH) if SPEECH in names else None
        if detects_speech and not compares_voices(model) and self._speech is None:
            raise InputError(
                f"the model's labels are {', '.join(names)}: none of them is {SPEECH}, so it "
                "does not say where anyone speaks."
            )

    @property
    def sample_rate_hz(self) -> int:
        """Rate that the model wants."""
        return self.frames.sample_rate_hz

    def run(
        self, windows: Sequence[Window], *, batch_samples: int
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield positions in `windows` and probabilities of their kept frames, shape (T, S).

        Args:
            windows: As `frames.cut` yields them.
            batch_samples: Largest padded length of a batch.
        """
        for position, hidden in self.frames.run(windows, batch_samples=batch_samples):
            yield position, self.classify(hidden[0])

    @torch.inference_mode()
    def classify(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return probabilities (T, S) of frames (T, D)."""
        model = self._model
        frames = torch.from_numpy(np.ascontiguousarray(hidden)).to(model.device, model.dtype)
        logits = model.classifier(frames).float()  # (T, C)
        if model.powerset is not None:
            log_probs = logits.log_softmax(dim=1)
            probs = _speaker_probs(log_probs, model.powerset.to(logits.device))
            anyone = 1 - log_probs[:, :1].exp()  # the first set is nobody
        elif model.config.problem_type == "single_label_classification":
            probs = logits.softmax(dim=1)
            anyone = probs.amax(dim=1, keepdim=True)
        else:
            probs = logits.sigmoid()
            anyone = probs.amax(dim=1, keepdim=True)
        if self._detects_speech:
            speech = self._speech
            probs = anyone if speech is None else probs[:, speech : speech + 1]
        result: NDArray[np.float32] = probs.cpu().numpy()
        return result


def _speaker_probs(log_probs: torch.Tensor, powerset: torch.Tensor) -> torch.Tensor:
    """Return the probability of each speaker (T, S) from those of sets of speakers (T, C).

    It is at least 0.5 for the speakers of the most probable set and less for the others. Without
    that, a model that hears one speaker and doubts which would mean two at once.
    """
    marginals = find_marginals(log_probs[None], powerset)[0]
    is_in = powerset[log_probs.argmax(dim=1)]
    return torch.where(is_in, marginals.clamp(min=0.5), marginals.clamp(max=_BELOW_HALF))


def load_frame_classifier(
    place: str | Path, *, device: str, compute_type: str
) -> tuple[Wav2Vec2ConformerForAudioFrameClassification, Any]:
    """Load a model that labels frames, and its feature extractor.

    Args:
        place: As `locate_checkpoint` returns it.
        device: `auto` (CUDA where there is one), or a torch device such as `cpu` or `cuda:1`.
        compute_type: As for `load_ctc`.

    Returns:
        The model in eval mode on its device, and its `Wav2Vec2FeatureExtractor`.

    Raises:
        CheckpointError: When it cannot be read, or has no head for frames.
        InputError: When the device or the compute type does not exist here.
    """
    check_compute_type(compute_type)
    torch_device = choose_device(device)
    try:
        with quiet_for_heads(place):
            model, report = load_model(
                Wav2Vec2ConformerForAudioFrameClassification,
                place,
                device=torch_device,
                compute_type=compute_type,
            )
        feature_extractor = load_feature_extractor(place)
    except OSError as error:
        raise CheckpointError(
            f"{place}: the model and its preprocessor_config.json cannot be loaded: "
            f"{' '.join(str(error).split())}"
        ) from error
    missing = {"classifier.weight", "classifier.bias", "layer_weights"}
    # The head of classification has a `classifier` too, but behind a `projector`.
    is_other = any(key.startswith("projector.") for key in report["unexpected_keys"])
    if is_other or missing & set(report["missing_keys"]):
        raise CheckpointError(
            f"{place}: has no head for frames (classifier), so it is a pre-trained checkpoint, "
            "or one of another task. Fine-tune it for frame classification first."
        )
    return model, feature_extractor


def compares_voices(model: Wav2Vec2ConformerForAudioFrameClassification) -> bool:
    """Return whether speakers are told apart by their voices.

    They are where the only track is speech of anyone; and where tracks are speakers of a window
    alone, in no order, so that a track of the next window may be another speaker. Models that
    were trained with `permutation_invariant_loss` are so, and those without names for their
    tracks whose configuration does not say.
    """
    names = _track_names(model)
    if len(names) == 1:
        return names[0] == SPEECH or _UNNAMED.fullmatch(names[0]) is not None
    is_free = model.config.permutation_invariant_loss
    return all(map(_UNNAMED.fullmatch, names)) if is_free is None else bool(is_free)


def _track_names(model: Wav2Vec2ConformerForAudioFrameClassification) -> tuple[str, ...]:
    """Return the names of the labels, or of the sets of one speaker.

    Raises:
        CheckpointError: When two have the same name.
    """
    first = 0 if model.powerset is None else 1  # the sets begin with nobody
    names = tuple(str(model.config.id2label[first + i]) for i in range(model.num_targets))
    if len(set(names)) < len(names):
        raise CheckpointError(
            f"the configuration's id2label gives several outputs one name ({', '.join(names)}); "
            "give each output a name of its own in config.json."
        )
    return names
