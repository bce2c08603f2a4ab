"""The model a run starts from: a checkpoint of any task, or random weights."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, Wav2Vec2FeatureExtractor
from transformers.utils import logging as transformers_logging

from wav2vec2_conformer.checkpoints.location import locate_checkpoint
from wav2vec2_conformer.checkpoints.processor import load_feature_extractor
from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import CheckpointError, ConfigurationError, InputError
from wav2vec2_conformer.training.run_settings import RunSettings

logger = logging.getLogger(__name__)

NUM_SHOWN = 6


def read_starting_config(
    model: str | Path | None, config: str | Path | None, changes: Mapping[str, Any]
) -> Wav2Vec2ConformerConfig:
    """Return the configuration of the model that is to be trained.

    Args:
        model: Checkpoint to start from. At most one of `model` and `config`.
        config: `config.json` of a model with random weights.
        changes: Values to change; they must be names of the configuration. Alone they describe
            a model with random weights, the rest of which is as the defaults say.

    Raises:
        CheckpointError: `model` is no checkpoint.
        ConfigurationError: A value is out of range.
        InputError: Both or nothing at all is given, there is no such file, or an unknown name.
    """
    if (model is None) == (config is None) and not (changes and config is None):
        raise InputError(
            "give either model (a checkpoint to start from) or config (a config.json to start "
            f"from random weights), got model={model}, config={config}"
        )
    if config is not None and not Path(config).is_file():
        raise InputError(f"{config}: there is no such configuration file")
    values: dict[str, Any] = {}
    if model is not None or config is not None:
        place = config if model is None else locate_checkpoint(model)
        try:
            values = Wav2Vec2ConformerConfig.get_config_dict(place)[0]
        except OSError as error:
            raise CheckpointError(f"{place}: {' '.join(str(error).split())}") from error
    known = Wav2Vec2ConformerConfig().to_dict()
    for name in changes:
        if name not in known and name not in values:
            raise InputError(f"model_config.{name}: config.json has no such value")
    return Wav2Vec2ConformerConfig.from_dict(values | dict(changes))


def name_outputs(names: Sequence[str]) -> dict[str, Any]:
    """Return the values of a configuration that number and name a head's outputs."""
    return {
        "id2label": dict(enumerate(names)),
        "label2id": {name: i for i, name in enumerate(names)},
    }


def read_feature_extractor(model: str | Path | None) -> Wav2Vec2FeatureExtractor:
    """Return the feature extractor of a checkpoint, or that of new models.

    Args:
        model: Checkpoint that a run starts from, None for random weights.

    Raises:
        CheckpointError: The checkpoint has none.
    """
    if model is None:
        return Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=True)
    place = locate_checkpoint(model)
    try:
        return load_feature_extractor(place)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{place}: its preprocessor_config.json cannot be read: {' '.join(str(error).split())}"
        ) from error


def start_model(
    model_class: Any, settings: RunSettings, values: Mapping[str, Any]
) -> tuple[PreTrainedModel, Wav2Vec2FeatureExtractor]:
    """Return the model that a run starts from, and what prepares its input.

    Args:
        model_class: Class of the model.
        settings: Of the run: its `model`, `config` and `model_config`.
        values: What the task sets in the configuration.

    Raises:
        CheckpointError: `model` is no checkpoint.
        ConfigurationError: The configuration describes no model of this class.
        InputError: Settings contradict each other.
    """
    config = read_starting_config(settings.model, settings.config, settings.model_config)
    config.update(values)
    extractor = read_feature_extractor(settings.model)
    return build_starting_model(model_class, settings.model, config), extractor


def build_starting_model(
    model_class: Any, model: str | Path | None, config: Wav2Vec2ConformerConfig
) -> PreTrainedModel:
    """Load what a checkpoint has of a model, and draw the rest at random; say which is which.

    Args:
        model_class: Class of the model.
        model: Checkpoint of any task; None draws everything.
        config: Configuration of the model.

    Returns:
        The model in float32.

    Raises:
        CheckpointError: The checkpoint's encoder is not one of this configuration.
        ConfigurationError: The configuration describes no model of this class.
    """
    if model is None:
        drawn = model_class.class_for(config.model_type)(config)
        logger.info(
            "random weights: %d layers of width %d, %s parameters",
            config.num_hidden_layers,
            config.hidden_size,
            f"{sum(p.numel() for p in drawn.parameters()):,}",
        )
        return drawn
    place = locate_checkpoint(model)
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # its report of the same, for developers
    try:
        loaded, report = model_class.from_pretrained(
            place,
            config=config,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except OSError as error:
        raise CheckpointError(f"{place}: {' '.join(str(error).split())}") from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    mismatched = {str(entry[0]) for entry in report["mismatched_keys"]}
    inside = sorted(key for key in mismatched if key.startswith(model_class.base_model_prefix))
    if inside:
        raise ConfigurationError(
            f"{place}: model_config changes the size of {', '.join(inside[:NUM_SHOWN])}, so the "
            "checkpoint's weights do not fit. Leave the encoder's sizes as they are"
        )
    for what, keys in (
        ("starts at random", mismatched | set(report["missing_keys"])),
        ("left out of the checkpoint", set(report["unexpected_keys"])),
    ):
        if keys:
            names = sorted({_part(key) for key in keys})
            more = ", ..." if len(names) > NUM_SHOWN else ""
            logger.info("%s: %s: %s%s", place, what, ", ".join(names[:NUM_SHOWN]), more)
    return loaded


def _part(key: str) -> str:
    """Return the part of the model that a weight belongs to."""
    return key.rsplit(".", 1)[0] if "." in key else key
