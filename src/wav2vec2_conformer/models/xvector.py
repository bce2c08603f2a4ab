"""`Wav2Vec2ConformerForXVector`: one embedding per clip that tells speakers apart."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.modeling_outputs import XVectorOutput

from wav2vec2_conformer.configuration import Wav2Vec2ConformerConfig
from wav2vec2_conformer.models.layer_sum import build_layer_weights, encode_for_head
from wav2vec2_conformer.models.model import build_base
from wav2vec2_conformer.models.pretrained import Wav2Vec2ConformerPreTrainedModel
from wav2vec2_conformer.nn.lengths import padding_mask_from_lengths
from wav2vec2_conformer.nn.xvector import AMSoftmaxLoss, TDNNLayer, pool_statistics


class Wav2Vec2ConformerForXVector(Wav2Vec2ConformerPreTrainedModel):
    """The model with time-delay layers, statistics pooling and two linear layers.

    Args:
        config: Its configuration; `num_labels` is the number of training speakers.
    """

    def __init__(self, config: Wav2Vec2ConformerConfig) -> None:
        super().__init__(config)
        setattr(self, self.base_model_prefix, build_base(config))
        in_dim = config.hidden_size
        self.layer_weights = build_layer_weights(config)
        if config.add_adapter and self.layer_weights is None:
            in_dim = config.output_hidden_size
        self.projector = nn.Linear(in_dim, config.tdnn_dim[0])
        in_dims = (config.tdnn_dim[0], *config.tdnn_dim)
        self.tdnn = nn.ModuleList(
            TDNNLayer(
                in_dims[index],
                config.tdnn_dim[index],
                kernel_size=config.tdnn_kernel[index],
                dilation=config.tdnn_dilation[index],
            )
            for index in range(len(config.tdnn_dim))
        )
        self._frames_lost = sum(
            dilation * (kernel - 1)
            for kernel, dilation in zip(config.tdnn_kernel, config.tdnn_dilation, strict=True)
        )
        self.feature_extractor = nn.Linear(2 * config.tdnn_dim[-1], config.xvector_output_dim)
        self.classifier = nn.Linear(config.xvector_output_dim, config.xvector_output_dim)
        self.objective = AMSoftmaxLoss(config.xvector_output_dim, config.num_labels)
        self.post_init()

    def _get_tdnn_output_lengths(self, input_lengths: Tensor | int) -> Tensor:
        """Return how many frames the time-delay layers make of how many.

        Args:
            input_lengths: Numbers of frames. Below the layers' field, 1 comes out: shorter
                clips are padded with zeros.
        """
        return (torch.as_tensor(input_lengths) - self._frames_lost).clamp(min=1)

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        labels: Tensor | None = None,
    ) -> XVectorOutput | tuple[Tensor, ...]:
        """Embed clips.

        Args:
            input_values: Waveforms [B, L]; see `Wav2Vec2ConformerModel.forward`.
            attention_mask: Mask of samples [B, L], 1 where valid.
            output_attentions: See `Wav2Vec2ConformerModel.forward`.
            output_hidden_states: See `Wav2Vec2ConformerModel.forward`.
            return_dict: False: a tuple (loss if there are labels, logits, embeddings, ...).
            labels: Speakers [B], from 0 to num_labels - 1.

        Returns:
            Logits and embeddings, both [B, xvector_output_dim], and, with labels, the loss.
            Compare embeddings by their cosine.
        """
        frames, lengths, out = encode_for_head(
            self._base(),
            self.layer_weights,
            input_values,
            attention_mask,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        embeddings = self.feature_extractor(self._pool(self.projector(frames), lengths))
        logits = self.classifier(embeddings)
        loss = None
        if labels is not None:
            loss = self.objective(logits.float(), labels.to(logits.device).flatten())
        result = XVectorOutput(
            loss=loss,
            logits=logits,
            embeddings=embeddings,
            hidden_states=out.hidden_states,
            attentions=out.attentions,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return result if return_dict else result.to_tuple()

    def _pool(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Run the time-delay layers over [B, T, C] and pool valid frames to [B, 2 C']."""
        field = 1 + self._frames_lost
        exact = self.config.exact_padding
        if exact and lengths is not None:
            # What a short clip is padded with when it stands alone.
            x = x.masked_fill(padding_mask_from_lengths(lengths, x.shape[1])[:, :, None], 0.0)
        x = F.pad(x, (0, 0, 0, max(0, field - x.shape[1])))
        for layer in self.tdnn:
            x = layer(x)
        if lengths is None:
            return pool_statistics(x)
        if exact:
            lengths = self._get_tdnn_output_lengths(lengths)
        else:
            # The reference implementation forgets the dilation here.
            lost = sum(kernel - 1 for kernel in self.config.tdnn_kernel)
            lengths = (lengths - lost).clamp(min=1, max=x.shape[1])
        return pool_statistics(x, padding_mask_from_lengths(lengths, x.shape[1]))
