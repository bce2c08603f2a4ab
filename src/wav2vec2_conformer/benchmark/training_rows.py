"""S8 and S9: steps of fine-tuning and of pre-training."""

from dataclasses import replace
from typing import Any

from wav2vec2_conformer.benchmark.comparison import fill_memory, fill_speed
from wav2vec2_conformer.benchmark.names import OURS, TRANSFORMERS
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage
from wav2vec2_conformer.benchmark.turns import Outcome

_FINETUNING_GOALS = (1.3, 0.7)
_PRETRAINING_GOALS = (2.0, 0.5)
_NEEDS_GB = {"large": 12.0, "base": 5.0, "tiny": 0.5}
_STEP = "step"


def measure_finetuning(session: Session) -> list[Row]:
    """Return the rows of CTC fine-tuning: time and memory of a step."""
    size = session.size
    outcomes = _alternate(session, "finetuning_step", size.finetuned, size.finetuning_s)
    lengths = ", ".join(f"{duration_s:g}" for duration_s in size.finetuning_s)
    work = f"CTC fine-tuning step, {_shape(size.finetuned)}, {lengths} s"
    return _rows("S8", work, "transformers, padded batch", _FINETUNING_GOALS, outcomes)


def measure_pretraining(session: Session) -> list[Row]:
    """Return the rows of pre-training: time and memory of a step."""
    size = session.size
    outcomes = _alternate(session, "pretraining_step", size.pretrained, size.pretraining_s)
    lengths = f"{len(size.pretraining_s)} x {size.pretraining_s[0]:g}"
    work = f"pre-training step, {_shape(size.pretrained)}, {lengths} s"
    return _rows("S9", work, "transformers, NumPy sampling", _PRETRAINING_GOALS, outcomes)


def _alternate(
    session: Session, module: str, settings: dict[str, Any], durations_s: tuple[float, ...]
) -> dict[str, Outcome]:
    arguments = {
        "settings": {**settings, "position_embeddings_type": "relative"},
        "durations_s": durations_s,
    }
    return session.alternate(
        module,
        {name: (module, {"implementation": name, **arguments}) for name in (TRANSFORMERS, OURS)},
        [Stage({_STEP: {}}, session.rounds)],
        needs_gb=_NEEDS_GB[session.size.name],
    )


def _shape(settings: dict[str, Any]) -> str:
    return f"{settings['num_hidden_layers']} layers of {settings['hidden_size']}"


def _rows(
    figure: str,
    work: str,
    against: str,
    goals: tuple[float, float],
    outcomes: dict[str, Outcome],
) -> list[Row]:
    speed = Row(figure, work, against, "times", goals[0])
    speed = fill_speed(speed, outcomes, OURS, TRANSFORMERS, _STEP)
    losses = [outcomes[name].about.get("loss") for name in (OURS, TRANSFORMERS)]
    if losses[0] is not None and losses[1] is not None:
        distance = abs(losses[0] - losses[1]) / max(abs(losses[1]), 1e-12)
        speed = replace(speed, difference=f"loss in eval mode within {distance:.0e} of itself")
    memory = Row(figure, f"{work}, activations", against, "share", goals[1], at_most=True)
    return [speed, fill_memory(memory, outcomes, OURS, TRANSFORMERS, _STEP)]
