"""The bare model's parts and what they compute, without transformers' loading and saving."""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import Wav2Vec2BaseModelOutput

from wav2vec2_conformer.configuration import Wav2Vec2BertConfig, Wav2Vec2ConformerConfig
from wav2vec2_conformer.configuration.activations import activation_called
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.models.encoder import Wav2Vec2ConformerEncoder
from wav2vec2_conformer.models.network import Network
from wav2vec2_conformer.nn.adapter import Adapter
from wav2vec2_conformer.nn.attentive_adapter import AttentiveAdapter, AttentiveAdapterLayer
from wav2vec2_conformer.nn.feature_encoder import FeatureEncoder
from wav2vec2_conformer.nn.feature_projection import FeatureProjection
from wav2vec2_conformer.nn.feed_forward import FeedForward
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths
from wav2vec2_conformer.nn.log_mel import LogMelFrontEnd
from wav2vec2_conformer.nn.masking import sample_mask_spans

FEATURE_AXES = 3  # batch, frames, features: what waveforms never have


class Encoded(NamedTuple):
    """What the bare model hands to the heads."""

    last_hidden_state: Tensor
    """[B, T', hidden_size], after the adapter if there is one."""
    extract_features: Tensor
    """Normed output of the feature encoder, [B, T, conv_dim[-1]], or normed log-mel features."""
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


class BareNetwork(Network):
    """Waveforms in, frames in context out; see `Wav2Vec2ConformerModel`."""

    def build_parts(self, config: Wav2Vec2ConformerConfig) -> None:
        """Make what the configuration describes."""
        self.feature_extractor = _build_front_end(config)
        self.feature_projection = FeatureProjection(
            self.feature_extractor.output_dim,
            config.hidden_size,
            eps=config.layer_norm_eps,
            dropout=config.feat_proj_dropout,
        )
        # Always there, so that masking can be switched on at any time.
        self.masked_spec_embed = nn.Parameter(torch.zeros(config.hidden_size))
        self.encoder = Wav2Vec2ConformerEncoder(config)
        self.adapter = _build_adapter(config) if config.add_adapter else None
        self.intermediate_ffn = _build_intermediate_feed_forward(config)

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
                Wav2Vec2-BERT also takes log-mel features [B, T, C], which it otherwise makes of
                the waveforms.
            attention_mask: Mask of samples [B, L] (of features: of frames [B, T]), 1 where
                valid, padded on the right.
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
        if input_values.dim() == FEATURE_AXES:
            features, frame_lengths = input_values, lengths
        else:
            features, frame_lengths = self._encode_features(input_values, lengths)
        padding_mask = None
        if frame_lengths is not None:
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
            flex_attention=config._attn_implementation == "flex_attention",  # noqa: SLF001
            layer_weights=layer_weights,
        )
        last, output_lengths = out.last_hidden_state, frame_lengths
        if self.intermediate_ffn is not None:
            last = last + 0.5 * self.intermediate_ffn(last)
        if isinstance(self.adapter, AttentiveAdapter):
            last = self.adapter(last, frame_lengths, exact_padding=exact)
        elif self.adapter is not None:
            last = self.adapter(last, frame_lengths if exact else None)
        if self.adapter is not None and frame_lengths is not None:
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

    def _encode_features(
        self, waveforms: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return features [B, T, C] and how many of them are valid [B] (None: all)."""
        front_end = self.feature_extractor
        if isinstance(front_end, LogMelFrontEnd):
            features = front_end(waveforms, lengths).to(self.feature_projection.projection.weight)
        else:
            features = front_end(waveforms, lengths if self.config.exact_padding else None)
        return features, None if lengths is None else front_end.output_lengths(lengths)

    def _check_inputs(self, input_values: Tensor, attention_mask: Tensor | None) -> None:
        takes_features = isinstance(self.feature_extractor, LogMelFrontEnd)
        is_features = takes_features and input_values.dim() == FEATURE_AXES
        if is_features and input_values.shape[2] != self.feature_extractor.output_dim:
            raise InputError(
                "log-mel features must have the shape (batch, frames, "
                f"{self.feature_extractor.output_dim}), got {tuple(input_values.shape)}. Take "
                "those of this model's feature extractor, or give the waveforms"
            )
        if not is_features and input_values.dim() != 2:  # noqa: PLR2004 - batch and samples
            or_features = ", or (batch, frames, features)" if takes_features else ""
            raise InputError(
                f"input_values must have the shape (batch, samples){or_features}, got "
                f"{tuple(input_values.shape)}. Use waveform[None] for a single one"
            )
        if torch.compiler.is_compiling():
            return
        shortest = self.feature_extractor.receptive_field
        if is_features and input_values.shape[1] == 0:
            raise InputError("log-mel features must have at least one frame, got none")
        if not is_features and input_values.shape[1] < shortest:
            raise InputError(
                f"input_values must have at least {shortest} samples, the length of one frame; "
                f"got {input_values.shape[1]}. Pad with zeros or leave the clip out"
            )
        if attention_mask is None:
            return
        if attention_mask.shape != input_values.shape[:2]:
            marks = "frames" if is_features else "samples"
            raise InputError(
                f"attention_mask marks {marks} and must have the shape of input_values, "
                f"{tuple(input_values.shape[:2])}, got {tuple(attention_mask.shape)}"
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


def build_bare_network(config: Wav2Vec2ConformerConfig) -> BareNetwork:
    """Return a network that is no model of transformers."""
    network = BareNetwork()
    network.begin(config)
    network.build_parts(config)
    return network


def _build_front_end(config: Wav2Vec2ConformerConfig) -> FeatureEncoder | LogMelFrontEnd:
    if isinstance(config, Wav2Vec2BertConfig):
        return LogMelFrontEnd(config.feature_projection_input_dim)
    return FeatureEncoder(
        config.conv_dim,
        config.conv_kernel,
        config.conv_stride,
        bias=config.conv_bias,
        norm=config.feat_extract_norm,
        activation=activation_called(config.feat_extract_activation),
    )


def _build_adapter(config: Wav2Vec2ConformerConfig) -> Adapter | AttentiveAdapter:
    strides: Any = {"kernel_size": config.adapter_kernel_size, "stride": config.adapter_stride}
    if not isinstance(config, Wav2Vec2BertConfig):
        return Adapter(
            config.hidden_size, config.output_hidden_size, config.num_adapter_layers, **strides
        )
    layers = [
        AttentiveAdapterLayer(
            config.output_hidden_size,
            config.intermediate_size,
            config.num_attention_heads,
            activation=activation_called(config.adapter_act),
            eps=config.layer_norm_eps,
            dropout=config.hidden_dropout,
            activation_dropout=config.activation_dropout,
            attention_dropout=config.attention_dropout,
            attended_dropout=config.conformer_conv_dropout,
            **strides,
        )
        for _ in range(config.num_adapter_layers)
    ]
    return AttentiveAdapter(
        config.hidden_size,
        config.output_hidden_size,
        layers,
        eps=config.layer_norm_eps,
        **strides,
    )


def _build_intermediate_feed_forward(config: Wav2Vec2ConformerConfig) -> FeedForward | None:
    if not isinstance(config, Wav2Vec2BertConfig):
        return None
    if not config.use_intermediate_ffn_before_adapter:
        return None
    return FeedForward(
        config.hidden_size,
        config.intermediate_size,
        activation=F.relu,
        activation_dropout=config.activation_dropout,
        dropout=config.hidden_dropout,
    )
