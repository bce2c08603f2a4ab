"""A model's log-probabilities for the utterances of a manifest, kept to decode them often.

Shapes used in this file:
    T  frames
    V  vocabulary
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from wav2vec2_conformer.audio import AudioBlocks
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.evaluation.word_error import WordErrors, score
from wav2vec2_conformer.inference.decoder import CtcDecoder, DecodingOptions
from wav2vec2_conformer.inference.log_prob_reader import LogProbReader
from wav2vec2_conformer.text.normalization import normalize_text


@dataclass(frozen=True, slots=True)
class Emissions:
    """What a model says of some utterances, and what was said in them.

    Attributes:
        log_probs: Natural logarithms of each utterance, shape (T, V).
        references: What was said.
        tokens: Text of each token of the vocabulary, empty for those that are no text.
        blank_id: Number of the CTC blank.
        delimiter: The token between words.
    """

    log_probs: Sequence[NDArray[np.float32]]
    references: Sequence[str]
    tokens: Sequence[str]
    blank_id: int
    delimiter: str

    def measure_errors(
        self, options: DecodingOptions, on_utterance: Callable[[], None] = lambda: None
    ) -> WordErrors:
        """Decode all utterances as a transcription does, and count the errors.

        Args:
            options: How to decode.
            on_utterance: Called after each utterance.

        Raises:
            InputError: An option is out of range, or the language model knows no word that the
                vocabulary can spell.
        """
        decoder = CtcDecoder(
            self.tokens,
            blank_id=self.blank_id,
            delimiter=self.delimiter,
            frame_s=1.0,  # times do not matter here
            options=options,
        )
        hypotheses = []
        for log_probs in self.log_probs:
            session = decoder.start()
            session.feed(log_probs)
            hypotheses.append(session.finish(float(len(log_probs))).text)
            on_utterance()
        # Both sides as the vocabulary spells them.
        return score(
            [normalize_text(text, self.tokens) for text in self.references],
            [normalize_text(text, self.tokens) for text in hypotheses],
        )


def compute_emissions(
    model: Any,
    processor: Any,
    utterances: Sequence[Utterance],
    *,
    on_progress: Callable[[float], None] | None = None,
) -> Emissions:
    """Run a model over utterances.

    Args:
        model: A CTC model in eval mode, on its device.
        processor: Its `Wav2Vec2Processor`.
        utterances: What to run it over.
        on_progress: Called with the seconds of audio done since its last call.

    Raises:
        AudioError: A recording cannot be used.
        CheckpointError: The model's output is not finite.
    """
    reader = LogProbReader(model, processor)
    log_probs = []
    for utterance in utterances:
        path = str(utterance.audio_path)
        with AudioBlocks(path, target_rate_hz=reader.sample_rate_hz) as blocks:
            parts = list(reader.read(blocks, on_progress=on_progress))
        empty = np.empty((0, model.lm_head.out_features), dtype=np.float32)
        log_probs.append(np.concatenate([empty, *parts]))
    tokenizer = processor.tokenizer
    delimiter: str = tokenizer.word_delimiter_token
    special = set(tokenizer.all_special_tokens) - {delimiter}
    tokens = tokenizer.convert_ids_to_tokens(list(range(model.lm_head.out_features)))
    texts = ["" if token is None or token in special else token for token in tokens]
    lowers = bool(tokenizer.do_lower_case)
    return Emissions(
        log_probs=log_probs,
        references=[utterance.text for utterance in utterances],
        tokens=[text.lower() for text in texts] if lowers else texts,
        blank_id=model.config.pad_token_id,
        delimiter=delimiter.lower() if lowers else delimiter,
    )


def fingerprint(place: str | Path, manifest: str | Path) -> str:
    """Return what changes when the emissions would: the model's files and the manifest.

    Args:
        place: The checkpoint's folder, or its name on the hub.
        manifest: The manifest.
    """
    digest = hashlib.sha256(Path(manifest).read_bytes())
    files = sorted(path for path in Path(place).glob("*") if path.is_file())
    for path in files:
        if path.suffix in {".safetensors", ".bin", ".json"} and path.stem != "language_model":
            status = path.stat()
            digest.update(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    digest.update(str(Path(place).resolve() if files else place).encode())
    return digest.hexdigest()


def write_emissions(path: str | Path, emissions: Emissions, key: str) -> None:
    """Write emissions to an `.npz` file, whole or not at all.

    Raises:
        InputError: The file cannot be written.
    """
    path = Path(path)
    about = {
        "key": key,
        "references": list(emissions.references),
        "tokens": list(emissions.tokens),
        "blank_id": emissions.blank_id,
        "delimiter": emissions.delimiter,
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            np.savez(
                file,
                about=np.array(json.dumps(about)),
                num_frames=np.array([len(part) for part in emissions.log_probs]),
                log_probs=np.concatenate(emissions.log_probs),
            )
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: the cache cannot be written: {error.strerror}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_emissions(path: str | Path, key: str) -> Emissions | None:
    """Read emissions that `write_emissions` wrote.

    Returns:
        None where there is no such file, or it is of another model or manifest.

    Raises:
        InputError: The file holds something else.
    """
    if not Path(path).exists():
        return None
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as content:
            about = json.loads(str(content["about"]))
            if about["key"] != key:
                return None
            ends = np.cumsum(content["num_frames"])
            return Emissions(
                log_probs=np.split(content["log_probs"], ends[:-1]),
                references=about["references"],
                tokens=about["tokens"],
                blank_id=about["blank_id"],
                delimiter=about["delimiter"],
            )
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
        raise InputError(
            f"{path}: is no cache of log-probabilities. Name another file, or remove it."
        ) from error
