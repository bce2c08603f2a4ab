"""Measures one clip after another through a CTC model: time, memory, logits."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from wav2vec2_conformer.benchmark.comparison import logits_path
from wav2vec2_conformer.benchmark.conversation import Conversation
from wav2vec2_conformer.benchmark.flops import count_flops
from wav2vec2_conformer.benchmark.implementations import build_forward
from wav2vec2_conformer.benchmark.resources import measure
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig

SAMPLE_RATE_HZ = 16_000


def noise(duration_s: float) -> torch.Tensor:
    """Return the clip of a length, (1, samples): the same noise in every process."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, int(duration_s * SAMPLE_RATE_HZ), generator=generator)


def main() -> None:
    """Build a model, warm it up with a clip, and measure the clips that are asked for.

    Arguments: `implementation`, `settings`, `warm_up_s`, `threads`, and perhaps `device`, `dtype`,
    `also_warm_up_s` (other lengths) and `folder`, which gets the logits. A request: `duration_s`.
    """
    conversation = Conversation()
    arguments = conversation.arguments
    torch.set_num_threads(arguments["threads"])
    config = Wav2Vec2ConformerConfig(**arguments["settings"])
    warm_up_s = arguments["warm_up_s"]
    forward, facts = build_forward(
        arguments["implementation"],
        arguments["settings"],
        noise(warm_up_s),
        device=arguments.get("device", "cpu"),
        dtype=arguments.get("dtype", "float32"),
    )

    @torch.inference_mode()
    def run(request: dict[str, Any]) -> dict[str, Any]:
        clip = noise(request["duration_s"])
        logits, usage = measure(lambda: forward(clip))
        if "folder" in arguments:
            folder, name = Path(arguments["folder"]), arguments["implementation"]
            np.save(logits_path(folder, name, request["duration_s"]), logits.float().numpy())
        num_samples = clip.shape[1]
        return {
            **usage,
            "flops": count_flops(config, num_samples),
            "flops_as_transformers": count_flops(config, num_samples, as_transformers=True),
        }

    for duration_s in (warm_up_s, *arguments.get("also_warm_up_s", ())):
        run({"duration_s": duration_s})
    conversation.answer_requests(run, facts)


if __name__ == "__main__":
    main()
