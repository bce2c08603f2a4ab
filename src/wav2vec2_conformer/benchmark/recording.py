"""Measures the transcription of a file with the bundled model: ours, or transformers' pipeline."""

from collections.abc import Callable
from typing import Any

import torch

from wav2vec2_conformer.benchmark.conversation import Conversation
from wav2vec2_conformer.benchmark.names import OURS
from wav2vec2_conformer.benchmark.resources import measure

_CHUNK_S = 30.0


def main() -> None:
    """Load the model, warm it up on a file, and transcribe files.

    Arguments: `implementation`, `warm_up`, a path; `threads`. A request: `path`. Answers hold
    the `text`.
    """
    conversation = Conversation()
    arguments = conversation.arguments
    torch.set_num_threads(arguments["threads"])
    is_ours = arguments["implementation"] == OURS
    transcribe = _build_ours() if is_ours else _build_pipeline()

    def run(request: dict[str, Any]) -> dict[str, Any]:
        text, usage = measure(lambda: transcribe(request["path"]))
        return {**usage, "text": text}

    run({"path": arguments["warm_up"]})
    conversation.answer_requests(run)


def _build_ours() -> Callable[[str], str]:
    """Return our transcription, each frame's best token, as the pipeline decodes."""
    from wav2vec2_conformer.inference.decoding_options import DecodingOptions  # noqa: PLC0415
    from wav2vec2_conformer.inference.transcriber import Transcriber  # noqa: PLC0415

    transcriber = Transcriber.from_pretrained(device="cpu", decoding=DecodingOptions())
    return lambda path: transcriber.transcribe(path).text


def _build_pipeline() -> Callable[[str], str]:
    """Return transformers' pipeline; it gets samples, as its own reading needs ffmpeg."""
    import soundfile  # noqa: PLC0415 - this and the next are of one peer
    from transformers import (  # noqa: PLC0415
        Wav2Vec2ConformerForCTC,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        pipeline,
    )

    from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path  # noqa: PLC0415

    folder = bundled_checkpoint_path()
    recognize = pipeline(
        "automatic-speech-recognition",
        model=Wav2Vec2ConformerForCTC.from_pretrained(folder),
        tokenizer=Wav2Vec2CTCTokenizer.from_pretrained(folder),
        feature_extractor=Wav2Vec2FeatureExtractor.from_pretrained(folder),
        device="cpu",
    )

    def transcribe(path: str) -> str:
        samples, sample_rate_hz = soundfile.read(path, dtype="float32")
        audio = {"raw": samples, "sampling_rate": sample_rate_hz}
        text: str = recognize(audio, chunk_length_s=_CHUNK_S)["text"]
        return text

    return transcribe


if __name__ == "__main__":
    main()
