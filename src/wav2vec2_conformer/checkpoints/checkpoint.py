"""A checkpoint of any format, read but not yet loaded into a model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.models.pretrained import (
    Wav2Vec2ConformerPreTrainedModel,
    parts_without_use,
)

SourceFormat = Literal["fairseq", "s3prl", "transformers"]
_MAX_LISTED = 20


@dataclass(slots=True)
class Checkpoint:
    """What is in a checkpoint, under this package's names.

    Attributes:
        path: The file or folder.
        source_format: Who wrote it.
        model_class: The model class that has its tensors.
        config: Its configuration.
        tensors: Its tensors, as they are in the file.
        do_normalize: Whether its audio is normalised to zero mean and unit variance.
        vocabulary: Its tokens and their numbers; None when unknown or without use.
        missing: Tensors of the model that it lacks.
        unmapped: Tensors that stand for nothing in the model, named as in the file.
        misshapen: Tensors of another shape or type than the model's.
        disagreements: Where its settings and its tensors say different things.
        notes: What is worth knowing and no fault.
        training: How it was trained, as far as the file says so.
    """

    path: Path
    source_format: SourceFormat
    model_class: type[Wav2Vec2ConformerPreTrainedModel]
    config: Wav2Vec2ConformerConfig
    tensors: dict[str, Tensor]
    do_normalize: bool
    vocabulary: dict[str, int] | None = None
    missing: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def has_ctc_head(self) -> bool:
        """Whether it is fine-tuned for transcription, and so needs a vocabulary."""
        return "lm_head.weight" in self.tensors

    def problems(self) -> list[str]:
        """Return a sentence for each kind of fault; none when all is in order."""
        return [
            f"{what} ({len(names)}): {_join(names)}"
            for names, what in (
                (self.missing, "missing tensors"),
                (self.unmapped, "tensors that stand for nothing in this model"),
                (self.misshapen, "tensors of the wrong shape or type"),
                (self.disagreements, "settings that are contradicted"),
            )
            if names
        ]

    def require_complete(self, *, strict: bool) -> None:
        """Refuse faults.

        Args:
            strict: Whether any fault counts. False: only those that leave no usable model, which
                are weights that are missing or of the wrong shape. What stands for nothing is
                left out, and the tensors are believed where settings contradict them.

        Raises:
            CheckpointError: There are such faults; it lists them.
        """
        dead = parts_without_use(self.config)
        needed = [name for name in self.missing if not any(part in name for part in dead)]
        is_usable = not needed and not self.misshapen
        if self.problems() and (strict or not is_usable):
            hint = " --no-strict goes on without what is unclear." if is_usable else ""
            raise CheckpointError(f"{self.path}: {'; '.join(self.problems())}.{hint}")

    def set_vocabulary(self, vocabulary: dict[str, int], source: str | Path) -> None:
        """Name the outputs of the head.

        Args:
            vocabulary: Tokens and their numbers, as in transformers.
            source: Where it comes from, for the message.

        Raises:
            CheckpointError: There is no head, or it has another number of outputs.
        """
        if not self.has_ctc_head:
            raise CheckpointError(
                f"{self.path}: is not fine-tuned with CTC, so no dictionary belongs to it."
            )
        num_outputs = self.tensors["lm_head.weight"].shape[0]
        if len(vocabulary) != num_outputs:
            raise CheckpointError(
                f"{source}: has {len(vocabulary)} symbols (four special ones included), but the "
                f"head of {self.path} has {num_outputs} outputs. It belongs to another model."
            )
        self.vocabulary = vocabulary
        for field_name, token in (
            ("pad_token_id", "<pad>"),
            ("bos_token_id", "<s>"),
            ("eos_token_id", "</s>"),
        ):
            default = getattr(self.config, field_name)
            setattr(self.config, field_name, vocabulary.get(token, default))


def _join(names: list[str]) -> str:
    listed = ", ".join(names[:_MAX_LISTED])
    more = len(names) - _MAX_LISTED
    return f"{listed} and {more} more" if more > 0 else listed
