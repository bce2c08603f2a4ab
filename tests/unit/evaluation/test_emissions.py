from pathlib import Path

import numpy as np
import pytest

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.emissions import (
    Emissions,
    fingerprint,
    read_emissions,
    write_emissions,
)
from wav2vec2_conformer.inference.decoder import DecodingOptions
from wav2vec2_conformer.language_models.ngram import NgramModel


def some_emissions() -> Emissions:
    rng = np.random.default_rng(0)
    log_probs = [rng.normal(size=(frames, 4)).astype(np.float32) for frames in (5, 0, 2)]
    return Emissions(log_probs, ["أهلا", "", "b"], ["", "|", "a", "b"], 0, "|")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cache.npz"
    written = some_emissions()
    write_emissions(path, written, "key")
    read = read_emissions(path, "key")
    assert read is not None
    assert [part.tolist() for part in read.log_probs] == [p.tolist() for p in written.log_probs]
    assert (read.references, read.tokens) == (written.references, written.tokens)
    assert (read.blank_id, read.delimiter) == (0, "|")
    assert [entry.name for entry in tmp_path.iterdir()] == ["cache.npz"]


def test_a_cache_of_something_else_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "cache.npz"
    assert read_emissions(path, "key") is None
    write_emissions(path, some_emissions(), "key")
    assert read_emissions(path, "another") is None


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_cache_is_not_overwritten_silently(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "cache.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is no cache of log-probabilities"):
        read_emissions(path, "key")


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the cache cannot be written"):
        write_emissions(tmp_path / "none" / "cache.npz", some_emissions(), "key")


def test_the_fingerprint_changes_with_model_and_manifest(tmp_path: Path) -> None:
    model, manifest = tmp_path / "model", tmp_path / "valid.jsonl"
    model.mkdir()
    weights = model / "model.safetensors"
    weights.write_bytes(b"1")
    manifest.write_text("a")
    first = fingerprint(model, manifest)
    assert fingerprint(model, manifest) == first
    # what tuning writes there does not make the model another one
    (model / "language_model.json").write_text("{}")
    (model / "lm.arpa").write_text("")
    assert fingerprint(model, manifest) == first
    manifest.write_text("b")
    second = fingerprint(model, manifest)
    weights.write_bytes(b"12")
    assert len({first, second, fingerprint(model, manifest)}) == 3


def test_a_language_model_corrects_what_was_heard_wrong() -> None:
    # "AB" was said, "AC" is a little likelier to the ear; the language model knows "AB" alone.
    tokens = ["", "|", "A", "B", "C"]
    probs = np.full((3, 5), 1e-4, dtype=np.float32)
    probs[0, 2] = 0.99
    probs[1, 0] = 0.99
    probs[2, 3], probs[2, 4] = 0.45, 0.54
    emissions = Emissions([np.log(probs / probs.sum(1, keepdims=True))], ["ab!"], tokens, 0, "|")
    words = ["<unk>", "<s>", "</s>", "AB"]
    model = NgramModel(words, np.array([-2, -99, -0.5, -0.5]), np.zeros(4))
    num_done = 0

    def count() -> None:
        nonlocal num_done
        num_done += 1

    def wer(alpha: float, unknown_word_score: float) -> float:
        options = DecodingOptions(
            beam_width=10,
            language_model=model,
            alpha=alpha,
            beta=0.0,
            unknown_word_score=unknown_word_score,
        )
        return emissions.measure_errors(options, count).wer

    assert emissions.measure_errors(DecodingOptions()).wer == 1
    assert wer(0.0, 0.0) == 1
    assert wer(0.5, 0.0) == 0
    assert wer(0.0, -5.0) == 0
    assert num_done == 3


def test_a_language_model_of_another_case_is_told() -> None:
    model = NgramModel(["<unk>", "<s>", "</s>", "ab"], np.full(4, -0.5), np.zeros(4))
    emissions = Emissions([np.zeros((2, 4), np.float32)], ["A"], ["", "|", "A", "B"], 0, "|")
    with pytest.raises(InputError, match="same script and case"):
        emissions.measure_errors(DecodingOptions(language_model=model))
