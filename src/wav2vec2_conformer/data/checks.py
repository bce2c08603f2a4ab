"""What is wrong with a data set: clips, texts, duplicates, overlap with validation data."""

import textwrap
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from wav2vec2_conformer.data.clip_check import SAMPLE_RATE_HZ, ClipCheck
from wav2vec2_conformer.data.manifest import Utterance
from wav2vec2_conformer.text.normalization import count_unknown, normalize_text

_SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of finding.

    Attributes:
        meaning: What is wrong, in words.
        drops: Whether such utterances are left out of the cleaned manifest by default.
    """

    meaning: str
    drops: bool


KINDS: dict[str, Kind] = {
    "unreadable": Kind("the audio cannot be decoded", drops=True),
    "truncated": Kind("the audio is cut off or damaged", drops=True),
    "silent": Kind("there is nothing to be heard", drops=True),
    "too-short": Kind("shorter than the lower limit", drops=True),
    "too-long": Kind("longer than the upper limit", drops=True),
    "no-text": Kind("no text is left after normalization", drops=True),
    "infeasible": Kind("fewer frames than CTC needs for the text", drops=True),
    "duplicate": Kind("the same audio as an earlier utterance", drops=True),
    "valid-audio": Kind("the same audio is in the validation set", drops=True),
    "valid-text": Kind("the same text is in the validation set", drops=False),
    "valid-speaker": Kind("the speaker is in the validation set", drops=False),
    "unknown-symbols": Kind("the vocabulary lacks characters of the text", drops=False),
    "duration": Kind("the stated duration is wrong; corrected", drops=False),
    "clipping": Kind("peaks are cut off", drops=False),
    "mostly-silent": Kind("more than 80 % of it is silence", drops=False),
    "dc-offset": Kind("the samples are not centred at zero", drops=False),
    "low-rate": Kind("recorded below 16 kHz: high frequencies are missing", drops=False),
}
DROPPED_BY_DEFAULT = frozenset(name for name, kind in KINDS.items() if kind.drops)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with an utterance.

    Attributes:
        kind: A key of `KINDS`.
        detail: What exactly, for people.
    """

    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a property of a clip becomes a finding.

    Attributes:
        min_duration_s: Shorter clips are "too-short".
        max_duration_s: Longer ones are "too-long"; None for no limit.
        duration_error_s: Stated and decoded durations may differ by so much, or by 2 %.
        clipped_share: Share of samples at full scale.
        silent_share: Share of silence.
        offset: Mean of the samples.
    """

    min_duration_s: float = 0.1
    max_duration_s: float | None = None
    duration_error_s: float = 0.1
    clipped_share: float = 0.001
    silent_share: float = 0.8
    offset: float = 0.02


def find_in_clip(utterance: Utterance, check: ClipCheck, limits: Limits) -> Iterator[Finding]:
    """Yield what is wrong with the audio of an utterance."""
    if check.problem is not None:
        yield Finding("unreadable", check.problem)
        return
    yield from _find_in_length(utterance, check, limits)
    if check.silent_share == 1:
        yield Finding("silent", f"{check.duration_s:.2f} s of silence")
    elif check.silent_share > limits.silent_share:
        yield Finding("mostly-silent", f"{check.silent_share:.0%} silence")
    if check.clipped_share > limits.clipped_share:
        yield Finding("clipping", f"{check.clipped_share:.2%} of the samples")
    if abs(check.offset) > limits.offset:
        yield Finding("dc-offset", f"the mean is {check.offset:.3f}")
    if check.sample_rate_hz is not None and check.sample_rate_hz < SAMPLE_RATE_HZ:
        yield Finding("low-rate", f"{check.sample_rate_hz} Hz")


def _find_in_length(utterance: Utterance, check: ClipCheck, limits: Limits) -> Iterator[Finding]:
    stated_s, decoded_s = utterance.duration_s, check.duration_s
    detail = f"stated {stated_s:.2f} s, decoded {decoded_s:.2f} s"
    is_wrong = abs(stated_s - decoded_s) > max(limits.duration_error_s, 0.02 * decoded_s)
    if check.damage is not None:
        yield Finding("truncated", check.damage)
    elif stated_s and is_wrong:
        # A segment that the file ends in lacks a part of its text.
        is_cut = utterance.offset_s is not None and decoded_s < stated_s
        yield Finding("truncated" if is_cut else "duration", detail)
    if decoded_s < limits.min_duration_s:
        yield Finding("too-short", f"{decoded_s:.2f} s")
    if limits.max_duration_s is not None and decoded_s > limits.max_duration_s:
        yield Finding("too-long", f"{decoded_s:.2f} s")


def find_in_text(
    text: str,
    duration_s: float,
    vocabulary: Mapping[str, int],
    count_frames: Callable[[int], int],
) -> Iterator[Finding]:
    """Yield what keeps a CTC model from learning a text.

    Args:
        text: As the data set has it; it is normalized to the vocabulary as in training.
        duration_s: Length of the audio.
        vocabulary: Tokens and ids, with "<unk>".
        count_frames: Frames of the encoder for a number of samples at 16 kHz.
    """
    spelled = normalize_text(text, vocabulary)
    unknown = count_unknown([spelled], vocabulary)
    if not spelled:
        yield Finding("no-text", f"the text is {text!r}")
    elif unknown:
        shown = ", ".join(f"{c!r} {unicodedata.name(c, '?')}" for c in sorted(unknown))
        yield Finding("unknown-symbols", shown)
    # What the vocabulary lacks becomes one token, also for CTC's repetitions.
    tokens = ["<unk>" if character in unknown else character for character in spelled]
    num_needed = len(tokens) + sum(a == b for a, b in pairwise(tokens))
    num_frames = count_frames(int(duration_s * SAMPLE_RATE_HZ))
    if spelled and num_frames < num_needed:
        yield Finding("infeasible", f"{num_frames} frames, but {num_needed} are needed")


def find_duplicates(
    utterances: Sequence[Utterance], checks: Sequence[ClipCheck]
) -> Iterator[tuple[int, Finding]]:
    """Yield the positions of utterances whose audio came before, and where."""
    first: dict[str, int] = {}
    for position, check in enumerate(checks):
        if not check.digest or check.silent_share == 1:
            continue  # all silence is alike
        earlier = first.setdefault(check.digest, position)
        if earlier != position:
            is_same = utterances[earlier].text == utterances[position].text
            texts = "the same text" if is_same else "another text"
            detail = f"as {utterances[earlier].audio_path}, with {texts}"
            yield position, Finding("duplicate", detail)


def find_overlap(
    utterances: Sequence[Utterance],
    checks: Sequence[ClipCheck],
    valid_utterances: Sequence[Utterance],
    valid_checks: Sequence[ClipCheck],
) -> Iterator[tuple[int, Finding]]:
    """Yield the positions of utterances that share audio, text or speaker with other data."""
    audio = {
        check.digest: utterance.audio_path
        for utterance, check in zip(valid_utterances, valid_checks, strict=True)
        if check.digest
    }
    texts = {_fold(u.text) for u in valid_utterances} - {""}
    speakers = {u.speaker for u in valid_utterances} - {None}
    for position, (utterance, check) in enumerate(zip(utterances, checks, strict=True)):
        if check.digest in audio:
            yield position, Finding("valid-audio", f"as {audio[check.digest]}")
        if _fold(utterance.text) in texts:
            shown = textwrap.shorten(utterance.text, _SHOWN_CHARACTERS, placeholder=" ...")
            yield position, Finding("valid-text", repr(shown))
        if utterance.speaker in speakers:
            yield position, Finding("valid-speaker", f"{utterance.speaker}")


def group_findings(
    pairs: Iterable[tuple[int, Finding]],
) -> dict[int, list[Finding]]:
    """Return the findings of each position that has any."""
    groups: dict[int, list[Finding]] = defaultdict(list)
    for position, finding in pairs:
        groups[position].append(finding)
    return dict(groups)


def build_frame_counter(
    kernel_sizes: Sequence[int], strides: Sequence[int]
) -> Callable[[int], int]:
    """Return the function from samples to frames of a feature encoder.

    Args:
        kernel_sizes: Of its convolutions, in order.
        strides: Of the same.
    """

    def count_frames(num_samples: int) -> int:
        for kernel_size, stride in zip(kernel_sizes, strides, strict=True):
            num_samples = max(0, (num_samples - kernel_size) // stride + 1)
        return num_samples

    return count_frames


def _fold(text: str) -> str:
    """Return the letters and digits of a text, by which texts are compared."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in folded).split())
