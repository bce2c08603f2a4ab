"""The examples of the model's specification, run with the classes of this package.

Each test is the text of one example. The checkpoint is a local folder instead of a name on the
hub, with random weights, and the data set holds made-up waveforms; hence what the model says
is not compared, but every shape and type is.
"""

from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import AutoFeatureExtractor, AutoProcessor

# Raised inside `datasets`, by the `sort` of the specification's examples.
pytestmark = pytest.mark.filterwarnings("ignore:Specifying null_placement:FutureWarning")

# 93,680 samples give the 292 frames of the specification's first utterance.
NUM_SAMPLES = 93_680
TEXT = "MISTER QUILTER IS THE APOSTLE OF THE MIDDLE CLASSES AND WE ARE GLAD TO WELCOME HIS GOSPEL"


sampling_rate = 16_000


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    generator = torch.Generator().manual_seed(0)
    waveforms = [
        0.1 * torch.randn(num_samples, generator=generator) for num_samples in (40_000, NUM_SAMPLES)
    ]
    return Dataset.from_dict(
        {
            "id": ["1272-141231-0001", "1272-128104-0000"],
            "audio": [{"array": waveform.numpy()} for waveform in waveforms],
            "text": ["A MAN SAID TO THE UNIVERSE SIR I EXIST", TEXT],
        }
    )


def test_configuration() -> None:
    from wav2vec2_conformer import Wav2Vec2ConformerConfig, Wav2Vec2ConformerModel

    configuration = Wav2Vec2ConformerConfig()
    with torch.device("meta"):  # the default size, without filling 180 million weights
        model = Wav2Vec2ConformerModel(configuration)
    configuration = model.config

    assert isinstance(configuration, Wav2Vec2ConformerConfig)
    assert configuration.hidden_size == 768


def test_model(checkpoint: Path, dataset: Dataset) -> None:
    from wav2vec2_conformer import Wav2Vec2ConformerModel

    dataset = dataset.sort("id")
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = Wav2Vec2ConformerModel.from_pretrained(checkpoint)

    inputs = processor(
        dataset[0]["audio"]["array"], sampling_rate=sampling_rate, return_tensors="pt"
    )
    with torch.no_grad():
        outputs = model(**inputs)

    last_hidden_states = outputs.last_hidden_state
    assert list(last_hidden_states.shape) == [1, 292, model.config.hidden_size]
    assert last_hidden_states.isfinite().all()


def test_ctc(checkpoint: Path, dataset: Dataset) -> None:
    from wav2vec2_conformer import Wav2Vec2ConformerForCTC

    dataset = dataset.sort("id")
    processor = AutoProcessor.from_pretrained(checkpoint)
    model = Wav2Vec2ConformerForCTC.from_pretrained(checkpoint)

    inputs = processor(
        dataset[0]["audio"]["array"], sampling_rate=sampling_rate, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(**inputs).logits
    predicted_ids = torch.argmax(logits, dim=-1)
    assert list(logits.shape) == [1, 292, 32]

    transcription = processor.batch_decode(predicted_ids)
    assert isinstance(transcription[0], str)

    inputs["labels"] = processor(text=dataset[0]["text"], return_tensors="pt").input_ids
    assert inputs["labels"].shape == (1, len(TEXT))

    loss = model(**inputs).loss
    assert round(loss.item(), 2) > 0


def test_sequence_classification(checkpoint: Path, dataset: Dataset) -> None:
    from wav2vec2_conformer import Wav2Vec2ConformerForSequenceClassification

    dataset = dataset.sort("id")
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    model = Wav2Vec2ConformerForSequenceClassification.from_pretrained(checkpoint)

    inputs = feature_extractor(
        dataset[0]["audio"]["array"], sampling_rate=sampling_rate, return_tensors="pt"
    )
    with torch.no_grad():
        logits = model(**inputs).logits

    predicted_class_ids = torch.argmax(logits, dim=-1).item()
    predicted_label = model.config.id2label[predicted_class_ids]
    assert predicted_label in {"LABEL_0", "LABEL_1"}

    target_label = model.config.id2label[0]
    inputs["labels"] = torch.tensor([model.config.label2id[target_label]])
    loss = model(**inputs).loss
    expected = torch.nn.functional.cross_entropy(logits, inputs["labels"])
    torch.testing.assert_close(loss.detach(), expected)


def test_frame_classification(checkpoint: Path, dataset: Dataset) -> None:
    from wav2vec2_conformer import Wav2Vec2ConformerForAudioFrameClassification

    dataset = dataset.sort("id")
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    model = Wav2Vec2ConformerForAudioFrameClassification.from_pretrained(checkpoint)

    inputs = feature_extractor(
        dataset[0]["audio"]["array"], return_tensors="pt", sampling_rate=sampling_rate
    )
    with torch.no_grad():
        logits = model(**inputs).logits

    probabilities = torch.sigmoid(logits[0])
    labels = (probabilities > 0.5).long()
    assert list(labels.shape) == [292, model.config.num_labels]


def test_x_vector(checkpoint: Path, dataset: Dataset) -> None:
    from wav2vec2_conformer import Wav2Vec2ConformerForXVector

    dataset = dataset.sort("id")
    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    model = Wav2Vec2ConformerForXVector.from_pretrained(checkpoint)

    inputs = feature_extractor(
        [d["array"] for d in dataset[:2]["audio"]],
        sampling_rate=sampling_rate,
        return_tensors="pt",
        padding=True,
    )
    with torch.no_grad():
        embeddings = model(**inputs).embeddings

    embeddings = torch.nn.functional.normalize(embeddings, dim=-1).cpu()
    assert list(embeddings.shape) == [2, model.config.xvector_output_dim]

    cosine_sim = torch.nn.CosineSimilarity(dim=-1)
    similarity = cosine_sim(embeddings[0], embeddings[1])
    assert -1 <= similarity <= 1


def test_pre_training(checkpoint: Path, dataset: Dataset) -> None:
    from wav2vec2_conformer import (
        Wav2Vec2ConformerForPreTraining,
        _compute_mask_indices,
        _sample_negative_indices,
    )

    feature_extractor = AutoFeatureExtractor.from_pretrained(checkpoint)
    model = Wav2Vec2ConformerForPreTraining.from_pretrained(checkpoint)

    input_values = feature_extractor(
        dataset[0]["audio"]["array"], return_tensors="pt", sampling_rate=sampling_rate
    ).input_values  # Batch size 1

    batch_size, raw_sequence_length = input_values.shape
    sequence_length = model._get_feat_extract_output_lengths(raw_sequence_length).item()
    mask_time_indices = _compute_mask_indices(
        shape=(batch_size, sequence_length), mask_prob=0.2, mask_length=2
    )
    sampled_negative_indices = _sample_negative_indices(
        features_shape=(batch_size, sequence_length),
        num_negatives=model.config.num_negatives,
        mask_time_indices=mask_time_indices,
    )
    mask_time_indices = torch.tensor(
        data=mask_time_indices, device=input_values.device, dtype=torch.long
    )
    sampled_negative_indices = torch.tensor(
        data=sampled_negative_indices, device=input_values.device, dtype=torch.long
    )

    with torch.no_grad():
        outputs = model(input_values, mask_time_indices=mask_time_indices)

    cosine_sim = torch.cosine_similarity(
        outputs.projected_states, outputs.projected_quantized_states, dim=-1
    )
    assert cosine_sim[mask_time_indices.to(torch.bool)].numel() == mask_time_indices.sum() > 0

    model = model.train()
    loss = model(
        input_values,
        mask_time_indices=mask_time_indices,
        sampled_negative_indices=sampled_negative_indices,
    ).loss
    loss.backward()
    assert loss.item() > 0
    assert model.project_hid.weight.grad.abs().sum() > 0
