"""CTM: a line a word, for scoring tools (NIST sclite) and Kaldi.

Format: https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
"""

from pathlib import PurePath

from wav2vec2_conformer.formats.intervals import to_ms
from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.formats.timed_text import TimedText


def format_ctm(result: TimedText, options: FormatOptions) -> str:
    """Return `utterance channel start duration word confidence` lines; times in seconds.

    The channel is 1. Columns end at white space, so that white space inside a name or a word
    becomes an underscore.
    """
    utterance = _column(options.utterance or PurePath(result.source).stem)
    lines = []
    for word in result.words:
        start_ms = to_ms(word.start_s)
        duration_ms = to_ms(word.end_s) - start_ms
        lines.append(
            f"{utterance} 1 {start_ms / 1000:.3f} {duration_ms / 1000:.3f} "
            f"{_column(word.text)} {word.confidence:.4f}\n"
        )
    return "".join(lines)


def _column(text: str) -> str:
    return "_".join(text.split())
