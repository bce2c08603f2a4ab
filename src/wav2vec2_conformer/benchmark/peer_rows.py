"""Other runtimes of the same model: eager attention, torch.compile, ONNX Runtime, OpenVINO."""

from dataclasses import replace

from wav2vec2_conformer.benchmark.comparison import compare_logits, fill_speed, logits_path
from wav2vec2_conformer.benchmark.names import (
    COMPILED,
    EAGER,
    ONNX,
    ONNX_INT8,
    OPENVINO,
    OURS,
    OURS_INT8,
    TRANSFORMERS,
)
from wav2vec2_conformer.benchmark.row import Row
from wav2vec2_conformer.benchmark.session import Session, Stage

_FLOAT32_PEERS = (TRANSFORMERS, EAGER, COMPILED, ONNX, OPENVINO)
_NAMES = (OURS, OURS_INT8, *_FLOAT32_PEERS, ONNX_INT8)
_NEEDS_GB = {"large": 12.0, "base": 6.0, "tiny": 1.0}
_MOST_ROUNDS = 2  # of eight participants


def measure_peers(session: Session) -> list[Row]:
    """Return a row for each other runtime."""
    size = session.size
    duration_s = size.clips_s[0]
    settings = {**size.peers, "position_embeddings_type": "relative"}
    request = f"{duration_s:g} s clip"
    folder = session.folder / "peers"
    folder.mkdir(exist_ok=True)
    arguments = {"settings": settings, "warm_up_s": duration_s, "folder": str(folder)}
    outcomes = session.alternate(
        "peers",
        {name: ("clip", {"implementation": name, **arguments}) for name in _NAMES},
        [Stage({request: {"duration_s": duration_s}}, min(session.rounds, _MOST_ROUNDS))],
        needs_gb=_NEEDS_GB[session.size.name],
    )
    shape = f"{settings['num_hidden_layers']} layers of {settings['hidden_size']}"
    rows = []
    for ours, peer in [*((OURS, peer) for peer in _FLOAT32_PEERS), (OURS_INT8, ONNX_INT8)]:
        precision = "int8" if ours == OURS_INT8 else "float32"
        row = Row("peers", f"{request}, {shape}, {precision}", peer, "times")
        row = fill_speed(row, outcomes, ours, peer, request)
        logits = (logits_path(folder, name, duration_s) for name in (ours, peer))
        rows.append(replace(row, difference=compare_logits(*logits)))
    return rows
