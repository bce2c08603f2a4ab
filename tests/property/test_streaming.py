"""What is heard in a stream does not depend on how it arrives, and joins as one recording."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wav2vec2_conformer.audio import load_audio
from wav2vec2_conformer.checkpoints.bundled import bundled_clips
from wav2vec2_conformer.evaluation.word_error import score
from wav2vec2_conformer.inference import Transcriber
from wav2vec2_conformer.inference.decoding_options import DecodingOptions
from wav2vec2_conformer.inference.stream_events import FinalSegment, FinalWords
from wav2vec2_conformer.inference.stream_session import StreamSession
from wav2vec2_conformer.models.ctc import Wav2Vec2ConformerForCTC

RATE_HZ = 16_000


def listen(transcriber: Transcriber, blocks: list[np.ndarray], **options: float) -> list[Any]:
    session = StreamSession(
        transcriber.model, transcriber.processor, transcriber.decoder, **options
    )
    events = [event for block in blocks for event in session.feed(block)]
    return events + session.finish()


def text_of(events: list[Any]) -> str:
    words = [word for event in events if isinstance(event, FinalWords) for word in event.words]
    closed = [event.segment for event in events if isinstance(event, FinalSegment)]
    assert [word for segment in closed for word in segment.words] == words
    assert all(before.start_s <= after.start_s for before, after in pairwise(words))
    return " ".join(segment.text for segment in closed)


def cut(samples: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    return np.split(samples, np.cumsum(sizes)[np.cumsum(sizes) < len(samples)])


@pytest.fixture(scope="module")
def bundled() -> Transcriber:
    # The words of a search are final with their segment: here, as soon as they are heard.
    return Transcriber.from_pretrained(device="cpu", decoding=DecodingOptions())


@pytest.fixture(scope="module")
def random(bundled: Transcriber) -> Transcriber:
    """A random model with the bundled one's vocabulary, whose texts are long."""
    torch.manual_seed(1)
    config = type(bundled.model.config)(
        **{
            **bundled.model.config.to_dict(),
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "conv_dim": (8, 8),
            "dtype": "float32",
        }
    )
    model = Wav2Vec2ConformerForCTC(config).eval()
    torch.nn.init.normal_(model.lm_head.weight)
    return Transcriber(model, bundled.processor)


@pytest.fixture(scope="module")
def clip() -> np.ndarray:
    path = next(clip for clip in bundled_clips() if Path(clip).stem == "weasels")
    return load_audio(path)[: 6 * RATE_HZ]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.lists(st.integers(0, 9_000), max_size=20),
    latency_s=st.sampled_from([0.3, 0.7, 1.5]),
    num_samples=st.integers(0, 40_000),
)
def test_the_sizes_of_blocks_change_nothing_with_a_random_model(
    random: Transcriber, sizes: list[int], latency_s: float, num_samples: int
) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)
    options = {"latency_s": latency_s, "context_s": 1.0}
    whole = listen(random, [samples], **options)
    assert listen(random, cut(samples, sizes), **options) == whole
    if num_samples > RATE_HZ:
        assert len(text_of(whole)) > 5


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sizes=st.lists(st.integers(1, 30_000), min_size=3, max_size=12))
def test_the_sizes_of_blocks_change_nothing_with_the_bundled_model(
    bundled: Transcriber, clip: np.ndarray, sizes: list[int]
) -> None:
    whole = listen(bundled, [clip], latency_s=2.0)
    assert len(text_of(whole).split()) > 5
    assert listen(bundled, cut(clip, sizes), latency_s=2.0) == whole


def test_a_stream_shorter_than_its_first_window_is_the_offline_text(
    bundled: Transcriber, clip: np.ndarray
) -> None:
    events = listen(bundled, cut(clip, [1600] * 100), latency_s=8.0)
    offline = bundled.transcribe(clip, sample_rate_hz=RATE_HZ)
    assert text_of(events) == offline.text
    words = [word for event in events if isinstance(event, FinalWords) for word in event.words]
    # A segment's words are judged when it closes, without the frames after it.
    unjudged = [[replace(word, confidence=1.0) for word in side] for side in (words, offline.words)]
    assert unjudged[0] == unjudged[1]
    judged = [[word.confidence for word in side] for side in (words, offline.words)]
    np.testing.assert_allclose(judged[0], judged[1], atol=0.2)


def test_joined_clips_are_heard_as_one_recording(bundled: Transcriber) -> None:
    clips = [load_audio(path) for path in sorted(bundled_clips())[:3]]
    samples = np.concatenate(clips)
    offline = bundled.transcribe(samples, sample_rate_hz=RATE_HZ).text
    streamed = text_of(listen(bundled, [samples], latency_s=8.0, context_s=12.0))
    # A small model hears some letters otherwise in another window, joint or no joint. Words
    # repeated or lost at joints would come on top.
    errors = score([offline], [streamed])
    assert errors.cer < 0.2
    assert abs(errors.insertions - errors.deletions) <= 0.05 * errors.num_words


class UnsteadyModel(torch.nn.Module):
    """Hears levels (0.05 is token 5), and as a real model is at a loss at a window's ends.

    The first frames and the last ones of a window are garbage, and each window hears every
    token a frame earlier or later than the window before.
    """

    dtype = torch.float32
    device = torch.device("cpu")
    num_unsure = 8

    def __init__(self, num_tokens: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(inputs_to_logits_ratio=320, pad_token_id=0)
        self.lm_head = torch.nn.Linear(1, num_tokens)
        self.num_calls = 0

    def forward(self, input_values: torch.Tensor, **_: Any) -> SimpleNamespace:
        tokens = input_values.unfold(1, 400, 320).median(dim=-1).values.mul(100).round()[0]
        starts_late = not (input_values[0, :400] == BEGIN).all()
        tokens = tokens.clamp(min=0).roll(self.num_calls % 2)
        self.num_calls += 1
        if starts_late:
            tokens[: self.num_unsure] = 9
        tokens[-self.num_unsure :] = 9
        distances = tokens[None, :, None] - torch.arange(self.lm_head.out_features)
        return SimpleNamespace(logits=-10 * distances**2)

    def _get_feat_extract_output_lengths(self, num_samples: int) -> torch.Tensor:
        return torch.tensor(max(0, (num_samples - 400) // 320 + 1))


# How a stream begins: tells the first window, which has no context to lack.
BEGIN = -0.01


@settings(max_examples=60, deadline=None)
@given(
    tokens=st.lists(
        st.tuples(st.integers(4, 11), st.integers(1, 4), st.integers(5, 12)), max_size=40
    ),
    latency_s=st.sampled_from([0.5, 0.8, 1.3, 3.0]),
)
def test_no_token_is_lost_or_repeated_at_a_joint(
    bundled: Transcriber, tokens: list[tuple[int, int, int]], latency_s: float
) -> None:
    """Equal tokens in a row too: each is held for 1 to 4 frames, then 5 to 12 blanks follow."""
    model = UnsteadyModel(bundled.model.config.vocab_size)
    feature_extractor = SimpleNamespace(sampling_rate=RATE_HZ, do_normalize=False)
    processor = SimpleNamespace(
        feature_extractor=feature_extractor, tokenizer=bundled.processor.tokenizer
    )
    transcriber = Transcriber(model, processor)  # type: ignore[arg-type]
    levels = [BEGIN] * 8 + [
        level / 100
        for token, num_held, num_blank in tokens
        for level in [token] * num_held + [0] * num_blank
    ]
    samples = np.repeat(np.float32(levels + [0] * 12), 320)
    events = listen(transcriber, [samples], latency_s=latency_s, context_s=0.3)
    alphabet = bundled.processor.tokenizer.convert_ids_to_tokens(list(range(12)))
    # The end of the last window is garbage: a token of its own, which no one said.
    said = "".join(alphabet[token] for token, _, _ in tokens) + alphabet[9]
    expected = " ".join(said.replace("|", " ").split())
    assert text_of(events) == expected
