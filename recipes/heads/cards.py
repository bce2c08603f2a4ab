"""The cards of the bundled heads."""

from pathlib import Path

from wav2vec2_conformer.checkpoints.head_files import HEAD_FILE

_LIBRISPEECH = "parts of [LibriSpeech](https://www.openslr.org/12) (V. Panayotov et al., CC BY 4.0)"
_TITLES = {
    "digits": "Spoken English digits",
    "speaker": "Embeddings of voices",
    "diarization": "Whether anyone speaks, and with voices compared, who",
}
_USES = {
    "digits": """\
Tells which digit, zero to nine, a short clip says. It knows nothing else: of other speech it
names a digit too.""",
    "speaker": """\
Turns a clip into 128 numbers whose cosine tells whether two clips are of one speaker. It is small
and was trained on a few hours: no basis for decisions about people.""",
    "diarization": """\
Tells for each frame whether anyone speaks; `diarize` tells speakers apart by comparing the voices
of pieces of that speech. It was trained on simulated conversations of read speech; meetings and
telephone calls are harder.""",
}
_COMMANDS = {
    "digits": "wav2vec2-conformer classify CLIP",
    "speaker": "wav2vec2-conformer verify CLIP OTHER_CLIP",
    "diarization": "wav2vec2-conformer diarize RECORDING",
}
_DATA = {
    "digits": (
        "the [Free Spoken Digit Dataset](https://github.com/Jakobovski/free-spoken-digit-dataset) "
        "(Z. Jackson et al., CC BY-SA 4.0), four of its six speakers"
    ),
    "speaker": f"pieces of 3 seconds, 60 at most of a speaker, of {_LIBRISPEECH}",
    "diarization": f"conversations of one or two speakers, simulated from {_LIBRISPEECH}",
}
_LICENCES = {"digits": "cc-by-sa-4.0", "speaker": "cc-by-4.0", "diarization": "cc-by-4.0"}


def write_card(folder: Path, name: str, measured: str, minutes: float | None) -> None:
    """Write README.md of a head.

    Args:
        folder: Of the head.
        name: Of the head.
        measured: Table of figures.
        minutes: Longest training, where there was such a limit.
    """
    size_kb = (folder / HEAD_FILE).stat().st_size / 1e3
    option = "" if minutes is None else f" --minutes {minutes:g}"
    text = (
        f"---\nlicense: {_LICENCES[name]}\nlanguage: en\nlibrary_name: wav2vec2-conformer\n---\n\n"
        f"# {_TITLES[name]}\n\n{_USES[name]}\n\n"
        "A head on the encoder of `tiny-en`, which it was trained on and does not hold "
        f"({size_kb:.0f} kB, float16): a learned mean of the encoder's layers, and what stands "
        "on it. The encoder was not changed.\n\n"
        f"```\n{_COMMANDS[name]}\n```\n\n"
        f"## Training data\n\nAs the encoder's, and {_DATA[name]}.\n\n"
        f"## Measured\n\n{measured}\n"
        "Trained and measured with `python recipes/heads/train.py SPEECH_FOLDER WORK_FOLDER "
        f"{name}{option}`, seed 0.\n"
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
