"""Measures an optimizer step of pre-training, the draws of masks and negatives included."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wav2vec2_conformer.benchmark.conversation import Conversation
from wav2vec2_conformer.benchmark.names import OURS
from wav2vec2_conformer.benchmark.training_loop import prepare_steps
from wav2vec2_conformer.benchmark.weights import fill_by_name
from wav2vec2_conformer.training.pretraining.draws import Masking

SAMPLE_RATE_HZ = 16_000
_MASKING = Masking()


def main() -> None:
    """Build a model and its optimizer, take steps to warm up, and one whenever asked.

    Arguments: `implementation`, `settings`, `durations_s`, all the same; `threads`. No layer is
    dropped, so that both do the same work. Memory is counted beyond weights, gradients and the
    optimizer's moments.
    """
    conversation = Conversation()
    arguments = conversation.arguments
    torch.set_num_threads(arguments["threads"])
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002  what transformers draws from
    is_ours = arguments["implementation"] == OURS
    model = _build(arguments["settings"], is_ours=is_ours)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    durations_s = arguments["durations_s"]
    shape = (len(durations_s), int(durations_s[0] * SAMPLE_RATE_HZ))
    waveforms = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    num_frames = int(model._get_feat_extract_output_lengths(shape[1]))  # noqa: SLF001
    number = 0

    def loss_of(mask: Tensor, negatives: Tensor) -> Tensor:
        out = model(
            waveforms,
            attention_mask=torch.ones_like(waveforms, dtype=torch.long),
            mask_time_indices=mask,
            sampled_negative_indices=negatives,
        )
        return out.loss / mask.sum()

    def step() -> None:
        nonlocal number
        draw = _draw if is_ours else _draw_as_transformers
        loss_of(*draw(len(durations_s), num_frames, number)).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)  # gradients stay, and are not counted
        number += 1

    with torch.inference_mode():  # with the same draws in both: are they the same model?
        loss = float(loss_of(*_draw(len(durations_s), num_frames, number)))
    model.train()
    step()

    measure_step = prepare_steps(step, arguments["implementation"])
    conversation.answer_requests(lambda _: measure_step(), {"loss": loss})


def _build(settings: dict[str, Any], *, is_ours: bool) -> Any:
    """Return a model for pre-training, in eval mode."""
    if is_ours:
        import wav2vec2_conformer as package  # noqa: PLC0415 - one of the two is needed
    else:
        import transformers as package  # type: ignore[no-redef]  # noqa: PLC0415
    config = package.Wav2Vec2ConformerConfig(**settings, layerdrop=0.0)
    model = package.Wav2Vec2ConformerForPreTraining(config)
    fill_by_name(model)
    return model.eval()


def _draw(batch: int, num_frames: int, step: int) -> tuple[Tensor, Tensor]:
    """Return masked frames [B, T] and flat indices of negatives [B, T, K], as our training."""
    drawn = [_MASKING.draw(num_frames, seed=0, epoch=step, utterance=row) for row in range(batch)]
    starts = torch.arange(batch)[:, None, None] * num_frames
    negatives = torch.stack([distractors for _, distractors in drawn]) + starts
    return torch.stack([mask for mask, _ in drawn]), negatives


def _draw_as_transformers(batch: int, num_frames: int, _step: int) -> tuple[Tensor, Tensor]:
    """Return the same from the NumPy functions that transformers' users call."""
    from transformers.models.wav2vec2 import modeling_wav2vec2 as sampling  # noqa: PLC0415

    shape = (batch, num_frames)
    mask = sampling._compute_mask_indices(  # noqa: SLF001 - its example script does the same
        shape, _MASKING.probability, _MASKING.span_frames, min_masks=_MASKING.min_spans
    )
    negatives = sampling._sample_negative_indices(  # noqa: SLF001 - likewise
        shape, _MASKING.num_distractors, mask
    )
    return torch.tensor(mask), torch.tensor(negatives).long()


if __name__ == "__main__":
    main()
