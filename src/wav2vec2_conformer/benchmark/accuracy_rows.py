"""S4's last part: what 8 bits do to the word error rate of the bundled model."""

from dataclasses import replace

from wav2vec2_conformer.benchmark.comparison import missing_reason
from wav2vec2_conformer.benchmark.names import OURS, OURS_INT8
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage

_GOAL_POINTS = 0.5
_NEEDS_GB = {"large": 2.0, "base": 2.0, "tiny": 1.0}


def measure_accuracy(session: Session) -> list[Row]:
    """Return the row of the change in word error rate, int8 less float32."""
    row = Row(
        "S4",
        "word error rate of the bundled model, int8",
        "float32",
        "points",
        _GOAL_POINTS,
        at_most=True,
    )
    if session.speech is None:
        return [replace(row, reason="no test set; give one with --speech MANIFEST")]
    manifest = str(session.speech)
    outcomes = session.alternate(
        "word error rate",
        {
            OURS: ("accuracy", {"manifest": manifest, "compute_type": "float32"}),
            OURS_INT8: ("accuracy", {"manifest": manifest, "compute_type": "int8"}),
        },
        [Stage({"test set": {}}, 1)],
        needs_gb=_NEEDS_GB[session.size.name],
    )
    rates = [outcomes[name].values("test set", "wer") for name in (OURS, OURS_INT8)]
    if not (rates[0] and rates[1]):
        return [replace(row, reason=missing_reason(outcomes, (OURS, OURS_INT8)))]
    told = f"{rates[0][0]:.2%} and {rates[1][0]:.2%} of {session.speech.name}"
    return [replace(row, reached=100 * (rates[1][0] - rates[0][0]), difference=told)]
