"""Clips on a GPU, where there is one: beside transformers, by FlexAttention, as CUDA graphs."""

from wav2vec2_conformer.benchmark.comparison import fill_speed
from wav2vec2_conformer.benchmark.names import OURS, OURS_FLEX, OURS_GRAPHS, TRANSFORMERS
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage
from wav2vec2_conformer.benchmark.turns import Outcome

_MODELS = (("relative", "float32"), ("relative", "bfloat16"), ("rotary", "bfloat16"))
_NAMES = (TRANSFORMERS, OURS, OURS_FLEX, OURS_GRAPHS)
_NEEDS_GB = {"large": 12.0, "base": 6.0, "tiny": 1.0}  # before the weights are on the GPU
_SHORT_S = 2.0  # of which a GPU spends much on waiting for the next kernel


def measure_gpu(session: Session) -> list[Row]:
    """Return rows for positions and types; without a GPU they say so."""
    clip_s = session.size.clips_s[-1]
    short_s = min(_SHORT_S, session.size.clips_s[0])
    rows, outcomes = [], None
    for positions, dtype in _MODELS:
        # Where nobody found a GPU, nobody looks for it again.
        if outcomes is None or not all(outcome.failure for outcome in outcomes.values()):
            outcomes = _run(session, positions, dtype, (clip_s, short_s))
        for length_s, name, peer, against in (
            (clip_s, OURS, TRANSFORMERS, "transformers default"),
            (clip_s, OURS_FLEX, OURS, OURS),
            (short_s, OURS, TRANSFORMERS, "transformers default"),
            (short_s, OURS_GRAPHS, OURS, OURS),
        ):
            request = _request(length_s)
            by = "" if name == OURS else f", {name.removeprefix(OURS).strip()}"
            row = Row("gpu", f"{request}, {positions}, {dtype}, GPU{by}", against, "times")
            rows.append(fill_speed(row, outcomes, name, peer, request))
    return rows


def _run(
    session: Session, positions: str, dtype: str, lengths_s: tuple[float, ...]
) -> dict[str, Outcome]:
    """Let everybody hear clips of some lengths in turn."""
    longest_s, *others_s = lengths_s
    arguments = {
        "settings": {**session.size.model, "position_embeddings_type": positions},
        "warm_up_s": longest_s,
        "also_warm_up_s": others_s,
        "device": "cuda",
        "dtype": dtype,
    }
    requests = {_request(length_s): {"duration_s": length_s} for length_s in lengths_s}
    return session.alternate(
        f"GPU {positions} {dtype}",
        {name: ("clip", {"implementation": name, **arguments}) for name in _NAMES},
        [Stage(requests, session.rounds)],
        needs_gb=_NEEDS_GB[session.size.name],
    )


def _request(length_s: float) -> str:
    return f"{length_s:g} s clip"
