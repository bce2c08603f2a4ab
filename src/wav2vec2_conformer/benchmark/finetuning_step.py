"""Measures an optimizer step of CTC fine-tuning on a batch of mixed lengths."""

from typing import Any

import torch

from wav2vec2_conformer.benchmark.conversation import Conversation
from wav2vec2_conformer.benchmark.names import OURS
from wav2vec2_conformer.benchmark.training_loop import prepare_steps
from wav2vec2_conformer.benchmark.weights import fill_by_name

SAMPLE_RATE_HZ = 16_000
_TOKENS_PER_S = 12
_FIRST_LETTER = 4  # below it are the special tokens of a usual vocabulary
_UNUSED = -100


def main() -> None:
    """Build a model and its optimizer, take steps to warm up, and one whenever asked.

    Arguments: `implementation`, `settings`, `durations_s`, `threads`. The feature encoder is
    frozen, as in every published recipe; no layer is dropped, so that both do the same work.
    Memory is counted beyond weights, gradients and the optimizer's moments.
    """
    conversation = Conversation()
    arguments = conversation.arguments
    torch.set_num_threads(arguments["threads"])
    torch.manual_seed(0)
    model = _build(arguments["implementation"], arguments["settings"])
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        lr=1e-5,
        fused=True,
    )
    whole = _batch(arguments["durations_s"])
    short = _batch([min(arguments["durations_s"])])

    def step(batch: dict[str, torch.Tensor]) -> None:
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)  # gradients stay, and are not counted

    with torch.inference_mode():
        loss = float(model.eval()(**short).loss)
    model.train()
    step(short)

    measure_step = prepare_steps(lambda: step(whole), arguments["implementation"])
    conversation.answer_requests(lambda _: measure_step(), {"loss": loss})


def _build(implementation: str, settings: dict[str, Any]) -> Any:
    """Return a CTC model in training, with its feature encoder frozen."""
    if implementation == OURS:
        import wav2vec2_conformer as package  # noqa: PLC0415 - one of the two is needed
    else:
        import transformers as package  # type: ignore[no-redef]  # noqa: PLC0415
    config = package.Wav2Vec2ConformerConfig(**settings, layerdrop=0.0, ctc_zero_infinity=True)
    model = package.Wav2Vec2ConformerForCTC(config)
    fill_by_name(model)
    model.freeze_feature_encoder()
    return model


def _batch(durations_s: list[float]) -> dict[str, torch.Tensor]:
    """Return a padded batch of noise with its mask and labels."""
    generator = torch.Generator().manual_seed(1)
    samples = torch.tensor([int(duration * SAMPLE_RATE_HZ) for duration in durations_s])
    mask = (torch.arange(int(samples.max())) < samples[:, None]).long()
    num_tokens = torch.tensor([int(duration * _TOKENS_PER_S) for duration in durations_s])
    shape = (len(durations_s), int(num_tokens.max()))
    labels = torch.randint(_FIRST_LETTER, 32, shape, generator=generator)
    labels[torch.arange(shape[1]) >= num_tokens[:, None]] = _UNUSED
    return {
        "input_values": torch.randn(mask.shape, generator=generator) * mask,
        "attention_mask": mask,
        "labels": labels,
    }


if __name__ == "__main__":
    main()
