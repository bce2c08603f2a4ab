"""Measures one call with utterances of many lengths, padded, with their mask."""

from typing import Any

import torch

from wav2vec2_conformer.benchmark.conversation import Conversation
from wav2vec2_conformer.benchmark.implementations import build_ctc
from wav2vec2_conformer.benchmark.resources import measure

SAMPLE_RATE_HZ = 16_000
_NUM_ALONE = 4  # utterances that are also run by themselves
_USUAL_SHARE = 0.6  # of the utterances have a usual length


def draw_lengths_s(count: int, longest_s: float) -> list[float]:
    """Return lengths like those of LibriSpeech in no order: most near 13 of 30 s, some short.

    Args:
        count: Number of utterances, at least 4.
        longest_s: The longest, in seconds; the shortest has a fifteenth of it.
    """
    generator = torch.Generator().manual_seed(0)
    usual = 13.0 + 3.0 * torch.randn(count, generator=generator)
    short = 2.0 + 10.0 * torch.rand(count, generator=generator)
    is_usual = torch.rand(count, generator=generator) < _USUAL_SHARE
    lengths = torch.where(is_usual, usual, short).clamp(2.0, 30.0)
    lengths[count // 3], lengths[count // 2] = 30.0, 2.0
    return [round(length, 2) for length in (lengths * (longest_s / 30.0)).tolist()]


def main() -> None:
    """Build a model and run the batch whenever asked.

    Arguments: `implementation`, `settings`, `count`, `longest_s`, `threads`. A request with
    `"check": true` runs some utterances alone instead and answers with `distance`, the largest
    difference of their logits from those in the batch.
    """
    conversation = Conversation()
    arguments = conversation.arguments
    torch.set_num_threads(arguments["threads"])
    model = build_ctc(arguments["implementation"], arguments["settings"])
    lengths_s = draw_lengths_s(arguments["count"], arguments["longest_s"])
    samples = torch.tensor([int(length * SAMPLE_RATE_HZ) for length in lengths_s])
    mask = (torch.arange(int(samples.max())) < samples[:, None]).long()
    generator = torch.Generator().manual_seed(1)
    batch = torch.randn(mask.shape, generator=generator) * mask
    in_batch = torch.empty(0)

    @torch.inference_mode()
    def run(request: dict[str, Any]) -> dict[str, Any]:
        nonlocal in_batch
        if request.get("check"):
            return {"distance": distance_from_alone()}
        in_batch, usage = measure(lambda: model(batch, attention_mask=mask).logits)
        return usage

    def distance_from_alone() -> float:
        distances = []
        for row in torch.linspace(0, len(samples) - 1, _NUM_ALONE).int().tolist():
            alone = model(batch[row : row + 1, : int(samples[row])]).logits[0]
            distances.append((in_batch[row, : len(alone)] - alone).abs().max().item())
        return max(distances)

    with torch.inference_mode():
        model(batch[:2, : int(samples.min())], attention_mask=mask[:2, : int(samples.min())])
    padding = 1.0 - float(samples.sum()) / mask.numel()
    conversation.answer_requests(run, {"audio_s": sum(lengths_s), "padding": padding})


if __name__ == "__main__":
    main()
