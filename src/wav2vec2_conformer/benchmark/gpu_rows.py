"""One clip on a GPU, where there is one."""

from wav2vec2_conformer.benchmark.comparison import fill_speed
from wav2vec2_conformer.benchmark.names import OURS, TRANSFORMERS
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage

_NAMES = (TRANSFORMERS, OURS)
_NEEDS_GB = {"large": 6.0, "base": 3.0, "tiny": 0.5}


def measure_gpu(session: Session) -> list[Row]:
    """Return the row of relative positions; without a GPU it says so."""
    duration_s = session.size.clips_s[-1]
    request = f"{duration_s:g} s clip"
    arguments = {
        "settings": {**session.size.model, "position_embeddings_type": "relative"},
        "warm_up_s": duration_s,
        "device": "cuda",
    }
    outcomes = session.alternate(
        "GPU",
        {name: ("clip", {"implementation": name, **arguments}) for name in _NAMES},
        [Stage({request: {"duration_s": duration_s}}, session.rounds)],
        needs_gb=_NEEDS_GB[session.size.name],
    )
    row = Row("gpu", f"{request}, relative, float32, GPU", "transformers default", "times")
    return [fill_speed(row, outcomes, OURS, TRANSFORMERS, request)]
