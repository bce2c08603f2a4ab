"""`Wav2Vec2ConformerForCTC`: characters (or other tokens) per frame.

Paper: Graves et al. 2006, "Connectionist temporal classification",
https://www.cs.toronto.edu/~graves/icml_2006.pdf.
"""

import re
from pathlib import Path
from typing import Any

import torch

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import ConfigurationError
from wav2vec2_conformer.models.adapters import init_adapters, put_adapter, read_adapter
from wav2vec2_conformer.models.bare_network import BareNetwork
from wav2vec2_conformer.models.ctc_network import CtcNetwork, count_frames_needed
from wav2vec2_conformer.models.int8 import forbid_saving, is_int8
from wav2vec2_conformer.models.model import build_base
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel

__all__ = ["Wav2Vec2ConformerForCTC", "as_model", "count_frames_needed"]


class Wav2Vec2ConformerForCTC(Wav2Vec2ConformerPreTrainedModel, CtcNetwork):
    """The model with a linear layer over each frame, for speech recognition.

    Args:
        config: Its configuration; `vocab_size` must be set.
        target_lang: Language whose adapter and output layer are loaded (`load_adapter`).

    Attributes:
        target_lang: Language that was loaded last; None before that.

    Raises:
        ConfigurationError: There is no vocabulary size, or a `target_lang` is given and the
            model has no language adapters (`config.adapter_attn_dim`).
    """

    def __init__(self, config: Wav2Vec2ConformerConfig, target_lang: str | None = None) -> None:
        super().__init__(config)
        self.target_lang: str | None = None
        self.build_parts(config)
        self.post_init()
        if target_lang is not None:
            self.load_adapter(target_lang)

    @classmethod
    def from_pretrained(
        cls, pretrained_model_name_or_path: Any, *model_args: Any, **kwargs: Any
    ) -> Any:
        """Load a checkpoint; see `Wav2Vec2ConformerPreTrainedModel.from_pretrained`.

        Args:
            pretrained_model_name_or_path: Folder or name.
            *model_args: `target_lang`, which may also be given by name.
            **kwargs: As there. With `target_lang`, that language's adapter is loaded at once;
                `adapter_attn_dim` gives new adapters to a model that has none.
        """
        target_lang = kwargs.pop("target_lang", model_args[0] if model_args else None)
        loaded = super().from_pretrained(pretrained_model_name_or_path, **kwargs)
        if target_lang is not None:
            (loaded[0] if isinstance(loaded, tuple) else loaded).load_adapter(target_lang)
        return loaded

    def load_adapter(self, target_lang: str, force_load: bool = True, **kwargs: Any) -> Any:
        """Put the adapter and output layer of a language in place of the present ones.

        They are read from `adapter.{target_lang}.safetensors` beside the model. The tokenizer
        changes with its own `set_target_lang`. A model without language adapters loads an
        adapter of peft instead, as every model of transformers does.

        Args:
            target_lang: The language; for peft, a folder or a name on the hub.
            force_load: Whether to read the file again when the language is the present one.
            **kwargs: `cache_dir`, `local_files_only`, `revision`, ...; those of
                `transformers.PreTrainedModel.load_adapter` for peft.

        Raises:
            CheckpointError: There is no such file, or it does not fit the model.
            ConfigurationError: The model has no language adapters, and this is no path.
        """
        if self.config.adapter_attn_dim is None:
            if re.fullmatch(r"[\w-]+", target_lang) and not Path(target_lang).exists():
                raise ConfigurationError(
                    f"target_lang={target_lang!r}: this model has no language adapters "
                    "(config.adapter_attn_dim is None). Load a checkpoint of that language, or "
                    "train an adapter on this one"
                )
            return super().load_adapter(target_lang, **kwargs)
        if force_load or target_lang != self.target_lang:
            tensors = read_adapter(self.name_or_path, target_lang, **kwargs)
            put_adapter(self, tensors, f"adapter {target_lang!r}")
            self.target_lang = target_lang
        return None

    def init_adapter_layers(self) -> None:
        """Draw new adapters, which change nothing at first, and a new output layer."""
        init_adapters(self)
        self.target_lang = None

    def _build_base(self, config: Wav2Vec2ConformerConfig) -> BareNetwork:
        return build_base(config)


def as_model(network: CtcNetwork) -> Wav2Vec2ConformerForCTC:
    """Return the model of transformers that has a network's parts: the same, not copies.

    Args:
        network: In eval mode. Models are returned as they are.
    """
    if isinstance(network, Wav2Vec2ConformerForCTC):
        return network
    config = network.config
    with torch.device("meta"):  # its own parts need no memory: they are put away
        model: Wav2Vec2ConformerForCTC = Wav2Vec2ConformerForCTC.class_for(config.model_type)(
            config
        )
    for target, source in ((model, network), (model.base_model, network.base_model)):
        for name, part in source.named_children():
            if part is not network.base_model:
                setattr(target, name, part)
        for name, weight in source.named_parameters(recurse=False):
            setattr(target, name, weight)
    if is_int8(model):
        forbid_saving(model)
    return model.eval()
