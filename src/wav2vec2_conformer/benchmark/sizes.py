"""What is measured at each size: shapes of models, lengths of audio."""

from dataclasses import dataclass
from typing import Any

# Shape of the released models ("layer" norm with biases, swish).
LARGE: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_act": "swish",
    "feat_extract_norm": "layer",
    "conv_bias": True,
}
BASE: dict[str, Any] = {
    **LARGE,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
}
TINY: dict[str, Any] = {
    **LARGE,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "num_codevectors_per_group": 8,
    "codevector_dim": 16,
    "proj_codevector_dim": 16,
}
# Padded to 30 s, 32 utterances need some 20 GB in the released feature encoder alone, and as
# much in relative attention of eight heads: the batch has to be of a small model.
SMALL: dict[str, Any] = {
    **LARGE,
    "hidden_size": 256,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
    "conv_dim": (128,) * 7,
}
PRETRAINED: dict[str, Any] = {
    **BASE,
    "hidden_size": 512,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
    "feat_extract_norm": "group",
    "conv_bias": False,
}


@dataclass(frozen=True, slots=True)
class Size:
    """What a run measures.

    Attributes:
        name: As given to `--size`.
        model: Shape of the model that hears single clips.
        peers: The same with fewer layers, for the runtimes that need an export.
        clips_s: Lengths of the clips.
        memory_clip_s: Length of the clip whose memory is measured.
        batch_model: Shape of the model that hears many utterances at once.
        num_utterances: How many.
        longest_utterance_s: Length of the longest; the shortest has a fifteenth of it.
        recording_s: Length of the long recording.
        growth_s: Lengths of recordings among which time and memory grow.
        finetuned: Shape of the model that is fine-tuned.
        finetuning_s: Lengths of the utterances of its batch.
        pretrained: Shape of the model that is pre-trained.
        pretraining_s: Lengths of the utterances of its batch.
        matrix_dim: Rows and columns of the matrices that are multiplied.
    """

    name: str
    model: dict[str, Any]
    peers: dict[str, Any]
    clips_s: tuple[float, float]
    memory_clip_s: float
    batch_model: dict[str, Any]
    num_utterances: int
    longest_utterance_s: float
    recording_s: float
    growth_s: tuple[float, ...]
    finetuned: dict[str, Any]
    finetuning_s: tuple[float, ...]
    pretrained: dict[str, Any]
    pretraining_s: tuple[float, ...]
    matrix_dim: int


SIZES = {
    "large": Size(
        "large",
        model=LARGE,
        peers={**LARGE, "num_hidden_layers": 4},
        clips_s=(15.0, 30.0),
        memory_clip_s=60.0,
        batch_model=SMALL,
        num_utterances=32,
        longest_utterance_s=30.0,
        recording_s=3600.0,
        growth_s=(10.0, 60.0, 300.0, 600.0),
        finetuned=BASE,
        finetuning_s=(9.0, 7.0, 11.0, 4.0),
        pretrained=PRETRAINED,
        pretraining_s=(10.0,) * 4,
        matrix_dim=3072,
    ),
    "base": Size(
        "base",
        model=BASE,
        peers={**BASE, "num_hidden_layers": 4},
        clips_s=(15.0, 30.0),
        memory_clip_s=60.0,
        batch_model=SMALL,
        num_utterances=16,
        longest_utterance_s=30.0,
        recording_s=600.0,
        growth_s=(10.0, 60.0, 300.0),
        finetuned={**BASE, "num_hidden_layers": 4},
        finetuning_s=(6.0, 4.0, 7.0, 3.0),
        pretrained={**PRETRAINED, "num_hidden_layers": 2},
        pretraining_s=(5.0,) * 4,
        matrix_dim=2048,
    ),
    "tiny": Size(
        "tiny",
        model=TINY,
        peers=TINY,
        clips_s=(1.0, 2.0),
        memory_clip_s=4.0,
        batch_model=TINY,
        num_utterances=6,
        longest_utterance_s=3.0,
        recording_s=12.0,
        growth_s=(2.0, 4.0, 8.0),
        finetuned=TINY,
        finetuning_s=(1.0, 0.5, 1.5),
        pretrained=TINY,
        pretraining_s=(1.0,) * 2,
        matrix_dim=256,
    ),
}
