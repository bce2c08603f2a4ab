"""Whether a converted checkpoint computes what its source computes."""

from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from wav2vec2_conformer.checkpoints.architecture import body_prefix
from wav2vec2_conformer.checkpoints.checkpoint import Checkpoint
from wav2vec2_conformer.checkpoints.int8_folder import is_int8_folder
from wav2vec2_conformer.checkpoints.reading import read_checkpoint
from wav2vec2_conformer.errors import CheckpointError
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.nn.positions import RotaryPositions

_TOLERANCE = 1e-5
_NUM_FRAMES = 50


def load_model(
    checkpoint: Checkpoint, model_class: type[Wav2Vec2ConformerPreTrainedModel] | None = None
) -> Wav2Vec2ConformerPreTrainedModel:
    """Return the model of a checkpoint in evaluation mode and float32.

    Args:
        checkpoint: All weights that matter must be there (`Checkpoint.require_complete`).
        model_class: Another class than the checkpoint's; only the bare model is possible.
    """
    model_class = checkpoint.model_class if model_class is None else model_class
    with torch.device("meta"):
        model = model_class(checkpoint.config)
    is_body = model_class is not checkpoint.model_class
    prefix = body_prefix(checkpoint.config.model_type) if is_body else ""
    tensors = {name.removeprefix(prefix): tensor for name, tensor in checkpoint.tensors.items()}
    state = {}
    for name, value in model.state_dict().items():
        if name not in tensors:
            state[name] = torch.zeros(value.shape, dtype=value.dtype)  # without effect
        elif name.endswith("inv_freq"):
            state[name] = tensors[name].clone()  # loading may change it in place
        else:
            state[name] = tensors[name]
    for path, module in model.named_modules():
        if isinstance(module, RotaryPositions) and f"{path}.inv_freq" not in tensors:
            module.inv_freq = module.frequencies()
            state.pop(f"{path}.inv_freq", None)
    model.load_state_dict(state, assign=True, strict=False)  # all but these frequencies
    return model.float().eval()


@torch.inference_mode()
def run_on_noise(model: Wav2Vec2ConformerPreTrainedModel) -> list[torch.Tensor]:
    """Return the model's outputs for fixed random audio of about a second.

    Args:
        model: Any of the model classes.
    """
    generator = torch.Generator().manual_seed(0)
    strides, samples = model.config.inputs_to_logits_ratio, 1
    for kernel, stride in zip(
        reversed(model.config.conv_kernel), reversed(model.config.conv_stride), strict=True
    ):
        samples = (samples - 1) * stride + kernel  # what one frame sees
    noise = torch.randn(1, samples + (_NUM_FRAMES - 1) * strides, generator=generator)
    return [value for value in model(noise).to_tuple() if isinstance(value, torch.Tensor)]


def check_equality(source: Checkpoint, output: str | Path) -> float:
    """Load what was written, as a user would, and compare its outputs on noise.

    Args:
        source: What was converted.
        output: The folder or file that was written.

    Returns:
        The largest difference.

    Raises:
        CheckpointError: The outputs differ.
    """
    converted = read_checkpoint(output)
    if Path(output).is_dir() and not is_int8_folder(output):
        disable_progress_bar()
        model = converted.model_class.from_pretrained(output, dtype=torch.float32)
    else:
        model = load_model(converted)
    expected = run_on_noise(load_model(source, converted.model_class))
    largest = 0.0
    for ours, theirs in zip(run_on_noise(model), expected, strict=True):
        if ours.shape != theirs.shape or not torch.isfinite(ours - theirs).all():
            raise CheckpointError(
                f"converted, {source.path} gives outputs on random audio that are not finite, or "
                "not of the source's shape."
            )
        largest = max(largest, float((ours - theirs).abs().max()))
    scale = max(1.0, *(float(value.abs().max()) for value in expected))
    if largest > _TOLERANCE * scale:
        raise CheckpointError(
            f"converted, {source.path} gives other outputs on random audio: they differ by "
            f"{largest:.3g}. Nothing was kept of it."
        )
    return largest
