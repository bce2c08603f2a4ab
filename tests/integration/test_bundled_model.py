"""The bundled checkpoint: small, complete, and it hears."""

import json

from transformers import Wav2Vec2Processor

from wav2vec2_conformer import Transcriber
from wav2vec2_conformer.checkpoints.bundled import bundled_checkpoint_path, bundled_clips
from wav2vec2_conformer.evaluation.word_error import score


def test_it_is_small_and_complete() -> None:
    folder = bundled_checkpoint_path()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 20_000_000
    assert (folder / "README.md").is_file()
    Wav2Vec2Processor.from_pretrained(folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["apply_spec_augment"]  # so that training that starts from it masks


def test_it_hears_the_letters_of_the_sample_clips() -> None:
    """An untrained model has a character error rate of about 100 %."""
    clips = bundled_clips()
    manifest = (clips[0].parent / "transcripts.jsonl").read_text(encoding="utf-8")
    texts = {row["audio_filepath"]: row["text"] for row in map(json.loads, manifest.splitlines())}
    transcriber = Transcriber.from_pretrained(device="cpu")
    hypotheses = [result.text for result in transcriber.transcribe_many(clips)]
    errors = score([texts[clip.name] for clip in clips], hypotheses)
    assert errors.cer < 0.5


def test_each_clip_gives_the_same_text_alone_and_among_others() -> None:
    clips = bundled_clips()
    transcriber = Transcriber.from_pretrained(device="cpu")
    together = [result.text for result in transcriber.transcribe_many(clips)]
    assert together == [transcriber.transcribe(clip).text for clip in clips]
