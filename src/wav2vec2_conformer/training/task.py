"""What a task brings to a training run; the rest is the same for all."""

from collections.abc import Callable
from dataclasses import dataclass

from transformers import (
    EvalPrediction,
    PreTrainedModel,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
)

from wav2vec2_conformer.data.collation import CollateLabels
from wav2vec2_conformer.training.examples import Examples
from wav2vec2_conformer.training.speech_types import Predict

Metrics = Callable[[EvalPrediction], dict[str, float]]


@dataclass(frozen=True)
class PreparedTask:
    """A model and its data, ready to be trained.

    Attributes:
        model: The model, whose loss is a mean over a batch.
        preprocessing: What belongs into its folder: a processor (tokenizer and feature
            extractor), or the feature extractor alone.
        train: Training set.
        valid: Validation set, None for none.
        collate_labels: Makes one array of the targets of a batch.
        predict: What the metrics see of a validation batch.
        metrics: Scores of the validation set.
        best_metric: The one by which the best model is chosen.
        greater_is_better: Whether it grows with quality.
        has_eval_loss: Whether the model can compute a loss on the validation set.
    """

    model: PreTrainedModel
    preprocessing: Wav2Vec2Processor | Wav2Vec2FeatureExtractor
    train: Examples
    valid: Examples | None
    collate_labels: CollateLabels
    predict: Predict
    metrics: Metrics
    best_metric: str
    greater_is_better: bool
    has_eval_loss: bool = True

    @property
    def normalize(self) -> bool:
        """Whether waveforms get zero mean and unit variance."""
        extractor = getattr(self.preprocessing, "feature_extractor", self.preprocessing)
        return bool(extractor.do_normalize)

    @staticmethod
    def frame_counter(model: PreTrainedModel) -> Callable[[int], int]:
        """Return what gives the frames of a model's encoder for a number of samples."""
        count = model._get_feat_extract_output_lengths  # noqa: SLF001
        return lambda num_samples: int(count(num_samples))
