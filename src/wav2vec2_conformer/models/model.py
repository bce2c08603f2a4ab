"""`Wav2Vec2ConformerModel`: waveform in, frames in context out."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.activations import ACT2FN
from transformers.modeling_outputs import Wav2Vec2BaseModelOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.encoder import Wav2Vec2ConformerEncoder
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.nn.adapter import Adapter
from wav2vec2_conformer.nn.feature_encoder import FeatureEncoder
from wav2vec2_conformer.nn.feature_projection import FeatureProjection
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths
from wav2vec2_conformer.nn.masking import sample_mask_spans


class Encoded(NamedTuple):
    """What the bare model hands to the heads."""

    last_hidden_state: Tensor
    """[B, T', hidden_size], after the adapter if there is one."""
    extract_features: Tensor
    """Normed output of the feature encoder, [B, T, conv_dim[-1]]."""
    hidden_states: tuple[Tensor, ...] | None
    attentions: tuple[Tensor, ...] | None
    weighted_sum: Tensor | None
    """Hidden states [B, T, hidden_size] summed with the given weights."""
    mask_time_indices: Tensor | None
    """Masked frames [B, T]."""
    frame_lengths: Tensor | None
    """Valid frames [B] before the adapter. None: all are valid."""
    output_lengths: Tensor | None
    """Valid frames [B] of `last_hidden_state`. None: all are valid."""


class Wav2Vec2ConformerModel(Wav2Vec2ConformerPreTrainedModel):
    """The bare model.

    Args:
        config: Its configuration.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(config)
        self.feature_extractor = FeatureEncoder(
            config.conv_dim,
            config.conv_kernel,
            config.conv_stride,
            bias=config.conv_bias,
            norm=config.feat_extract_norm,
            activation=ACT2FN[config.feat_extract_activation],
        )
        self.feature_projection = FeatureProjection(
            config.conv_dim[-1],
            config.hidden_size,
            eps=config.layer_norm_eps,
            dropout=config.feat_proj_dropout,
        )
        # Always there, so that masking can be switched on at any time.
        self.masked_spec_embed = nn.Parameter(torch.zeros(config.hidden_size))
        self.encoder = Wav2Vec2ConformerEncoder(config)
        self.adapter = (
            Adapter(
                config.hidden_size,
                config.output_hidden_size,
                config.num_adapter_layers,
                kernel_size=config.adapter_kernel_size,
                stride=config.adapter_stride,
            )
            if config.add_adapter
            else None
        )
        self.post_init()

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> Wav2Vec2BaseModelOutput | tuple[Tensor, ...]:
        """Encode waveforms.

        Args:
            input_values: Waveforms [B, L], 16 kHz, normalised as the preprocessor says.
            attention_mask: Mask of samples [B, L], 1 where valid, padded on the right.
            mask_time_indices: Frames [B, T] to mask (nonzero: masked), in training and
                evaluation. By default training draws them and evaluation masks none.
            output_attentions: Whether to return attention weights [B, H, T, T] of each block.
            output_hidden_states: Whether to return hidden states [B, T, hidden_size]: the input
                of the first block and each block's output. The last is the normed last state.
            return_dict: False: a tuple of what is there, in the order of the output class.

        Raises:
            InputError: Shapes do not fit, the mask is padded on the left, or the input is
                shorter than one frame.
        """
        out = self.encode(
            input_values,
            attention_mask,
            mask_time_indices,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        result = Wav2Vec2BaseModelOutput(
            last_hidden_state=out.last_hidden_state,
            extract_features=out.extract_features,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return result if return_dict else result.to_tuple()

    def encode(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        *,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        layer_weights: Tensor | None = None,
    ) -> Encoded:
        """Encode waveforms and tell how many frames are valid.

        Args:
            input_values: As in `forward`.
            attention_mask: As in `forward`.
            mask_time_indices: As in `forward`.
            output_attentions: As in `forward`.
            output_hidden_states: As in `forward`.
            layer_weights: One weight per hidden state; their sum is made on the way, without
                keeping all of them.
        """
        config = self.config
        self._check_inputs(input_values, attention_mask)
        lengths = None if attention_mask is None else attention_mask.sum(-1)
        exact = config.exact_padding
        features = self.feature_extractor(input_values, lengths if exact else None)
        frame_lengths = None
        padding_mask = None
        if lengths is not None:
            frame_lengths = self.feature_extractor.output_lengths(lengths)
            padding_mask = padding_mask_from_lengths(frame_lengths, features.shape[1])
            if not torch.compiler.is_compiling() and padding_mask.device.type == "cpu":
                # Without any padding the unmasked path is the same and faster.
                padding_mask = padding_mask if padding_mask.any() else None
        frames, features = self.feature_projection(features)
        frames, mask_time_indices = self._mask(frames, mask_time_indices, frame_lengths)
        out = self.encoder.encode(
            frames,
            padding_mask,
            exact_padding=exact,
            keep_hidden_states=bool(
                config.output_hidden_states
                if output_hidden_states is None
                else output_hidden_states
            ),
            keep_attentions=bool(
                config.output_attentions if output_attentions is None else output_attentions
            ),
            eager_attention=config._attn_implementation == "eager",  # noqa: SLF001
            layer_weights=layer_weights,
        )
        last, output_lengths = out.last_hidden_state, frame_lengths
        if self.adapter is not None:
            last = self.adapter(last, frame_lengths if exact else None)
            if frame_lengths is not None:
                output_lengths = self.adapter.output_lengths(frame_lengths)
        return Encoded(
            last,
            features,
            out.hidden_states,
            out.attentions,
            out.weighted_sum,
            mask_time_indices,
            frame_lengths,
            output_lengths,
        )

    def _check_inputs(self, input_values: Tensor, attention_mask: Tensor | None) -> None:
        if input_values.dim() != 2:  # noqa: PLR2004 - batch and samples
            raise InputError(
                "input_values must have the shape (batch, samples), got "
                f"{tuple(input_values.shape)}. Use waveform[None] for a single one"
            )
        if torch.compiler.is_compiling():
            return
        shortest = self.feature_extractor.receptive_field
        if input_values.shape[1] < shortest:
            raise InputError(
                f"input_values must have at least {shortest} samples, the length of one frame; "
                f"got {input_values.shape[1]}. Pad with zeros or leave the clip out"
            )
        if attention_mask is None:
            return
        if attention_mask.shape != input_values.shape:
            raise InputError(
                "attention_mask marks samples and must have the shape of input_values, "
                f"{tuple(input_values.shape)}, got {tuple(attention_mask.shape)}"
            )
        # A look at values on another device would stall it.
        if attention_mask.device.type == "cpu" and (attention_mask.diff(dim=1) > 0).any():
            raise InputError(
                "attention_mask must be padded on the right: valid samples (1) first, then "
                "padding (0). Pad with padding_side='right'"
            )

    def _mask(
        self, frames: Tensor, mask_time_indices: Tensor | None, frame_lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Mask spans of frames and, in training, of channels (SpecAugment)."""
        config = self.config
        batch, num_frames, dim = frames.shape
        augment = self.training and config.apply_spec_augment
        if frame_lengths is None:
            frame_lengths = torch.full((batch,), num_frames, device=frames.device)
        if mask_time_indices is not None:
            if mask_time_indices.shape != (batch, num_frames):
                raise InputError(
                    "mask_time_indices marks frames and must have the shape "
                    f"{(batch, num_frames)}, got {tuple(mask_time_indices.shape)}"
                )
            mask_time_indices = mask_time_indices.to(frames.device).bool()
        elif augment and config.mask_time_prob > 0:
            mask_time_indices = sample_mask_spans(
                frame_lengths,
                num_frames,
                probability=config.mask_time_prob,
                span_length=config.mask_time_length,
                min_spans=config.mask_time_min_masks,
            )
        if mask_time_indices is not None:
            embedding = self.masked_spec_embed.to(frames.dtype)
            frames = torch.where(mask_time_indices[:, :, None], embedding, frames)
        if augment and config.mask_feature_prob > 0:
            channels = sample_mask_spans(
                torch.full((batch,), dim, device=frames.device),
                dim,
                probability=config.mask_feature_prob,
                span_length=config.mask_feature_length,
                min_spans=config.mask_feature_min_masks,
            )
            frames = frames.masked_fill(channels[:, None, :], 0.0)
        return frames, mask_time_indices
