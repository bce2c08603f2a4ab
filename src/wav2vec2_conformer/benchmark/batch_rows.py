"""S5: many utterances of mixed lengths in one call."""

from dataclasses import replace

from wav2vec2_conformer.benchmark.comparison import fill_speed, missing_reason
from wav2vec2_conformer.benchmark.names import OURS, TRANSFORMERS
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage

_NAMES = (TRANSFORMERS, OURS)
_SPEED_GOAL = 2.0
_DISTANCE_GOAL = 1e-4
_NEEDS_GB = {"large": 8.0, "base": 4.5, "tiny": 0.5}
_MOST_ROUNDS = 2  # a padded batch takes transformers longer than anything else here


def measure_batch(session: Session) -> list[Row]:
    """Return the rows of speed, and of equality with single runs."""
    size = session.size
    arguments = {
        "settings": {**size.batch_model, "position_embeddings_type": "relative"},
        "count": size.num_utterances,
        "longest_s": size.longest_utterance_s,
    }
    outcomes = session.alternate(
        "utterances",
        {name: ("utterances", {"implementation": name, **arguments}) for name in _NAMES},
        [
            Stage({"batch": {}}, min(session.rounds, _MOST_ROUNDS)),
            Stage({"alone": {"check": True}}, 1),
        ],
        needs_gb=_NEEDS_GB[session.size.name],
    )
    shortest_s = size.longest_utterance_s / 15
    model = f"{size.batch_model['num_hidden_layers']} layers of {size.batch_model['hidden_size']}"
    work = f"{size.num_utterances} utterances of {shortest_s:g}-{size.longest_utterance_s:g} s"
    speed = Row(
        "S5", f"{work} in one call, {model}", "transformers, padded batch", "times", _SPEED_GOAL
    )
    speed = fill_speed(speed, outcomes, OURS, TRANSFORMERS, "batch")
    if "padding" in outcomes[OURS].about:
        speed = replace(speed, difference=f"{outcomes[OURS].about['padding']:.0%} padding")
    equality = Row(
        "S5", f"{work}: distance from single runs", "-", "logits", _DISTANCE_GOAL, at_most=True
    )
    distances = {name: outcomes[name].values("alone", "distance") for name in _NAMES}
    if not distances[OURS]:
        return [speed, replace(equality, reason=missing_reason(outcomes, (OURS,)))]
    told = f"transformers {distances[TRANSFORMERS][0]:.1e}" if distances[TRANSFORMERS] else ""
    return [speed, replace(equality, reached=distances[OURS][0], difference=told)]
