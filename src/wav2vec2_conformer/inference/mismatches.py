"""Where a given text and the audio do not match, as a forced alignment shows it.

Shapes used in this file:
    T  frames
    U  tokens of the text
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from wav2vec2_conformer.decoding.aligned_path import AlignedPath
from wav2vec2_conformer.inference.alignment import Mismatch
from wav2vec2_conformer.inference.transcript import Word
from wav2vec2_conformer.text.spelling import Spelling

# Speech: shorter regions are a letter that the text lacks; pauses do not end a region.
_MIN_SPEECH_S = 0.3
_MAX_PAUSE_S = 1.0
# Text: the mean confidence of so many words is below a part of what the best quarter of all
# words has, or, where the whole text is another one, below what chance gives. The guide says
# how often that is right.
_NUM_AVERAGED_WORDS = 5
_LOW_SHARE = 0.3
_LOW_CONFIDENCE = 0.1
_MIN_LOW_WORDS = 3


def find_extra_speech(
    spelling: Spelling,
    path: AlignedPath,
    *,
    frame_s: float,
    duration_s: float,
    hear: Callable[[int, int], str],
) -> Iterator[Mismatch]:
    """Yield the regions in which something is said that the text does not have.

    Places where the text has words without tokens are left out: there it does have something.

    Args:
        spelling: The text.
        path: The path through its tokens.
        frame_s: Seconds from one frame to the next.
        duration_s: Length of the audio; no time is later.
        hear: Returns what the model hears from a frame to another.
    """
    starts, ends = path.gap_spans()
    is_free = np.array(spelling.star_gaps) & ~np.array(spelling.required_gaps)
    for gap in np.flatnonzero(is_free & (ends > starts)):
        frames = starts[gap] + np.flatnonzero(path.is_star[starts[gap] : ends[gap]])
        breaks = np.flatnonzero(np.diff(frames) * frame_s > _MAX_PAUSE_S) + 1
        for part in np.split(frames, breaks):
            if part.size and (part[-1] + 1 - part[0]) * frame_s >= _MIN_SPEECH_S:
                start, end = int(part[0]), int(part[-1]) + 1
                yield Mismatch(
                    start_s=round(start * frame_s, 3),
                    end_s=round(min(end * frame_s, duration_s), 3),
                    kind="speech without text",
                    text=hear(start, end),
                    score=float(np.exp(path.log_probs[part]).mean()),
                )


def find_extra_text(words: Sequence[Word]) -> Iterator[Mismatch]:
    """Yield the runs of words that the model does not hear where they are aligned to."""
    aligned = [word for word in words if word.is_aligned]
    if not aligned:
        return
    confidence = np.array([word.confidence for word in aligned])
    limit = max(_LOW_SHARE * float(np.percentile(confidence, 75)), _LOW_CONFIDENCE)
    num_tokens = np.array([len(word.characters) for word in aligned])
    window = np.ones(min(_NUM_AVERAGED_WORDS, len(aligned)))
    sums = np.convolve(confidence * num_tokens, window, "same")
    is_low_around = sums < limit * np.convolve(num_tokens, window, "same")
    # The average blurs the ends of a run: there the word itself decides.
    is_low = confidence < limit
    bounds = np.flatnonzero(np.diff(is_low | is_low_around, prepend=False, append=False))
    for first, end in bounds.reshape(-1, 2):
        low = first + np.flatnonzero(is_low[first:end])
        if low.size and is_low_around[first:end].sum() >= _MIN_LOW_WORDS:
            run = aligned[low[0] : low[-1] + 1]
            yield Mismatch(
                start_s=run[0].start_s,
                end_s=run[-1].end_s,
                kind="text without speech",
                text=" ".join(word.text for word in run),
                score=float(np.mean([word.confidence for word in run])),
            )
