"""Text without times."""

from wav2vec2_conformer.formats.options import FormatOptions
from wav2vec2_conformer.formats.timed_text import TimedText


def format_txt(result: TimedText, _options: FormatOptions) -> str:
    """Return the text; where there are alternatives, each on a line, the best first."""
    alternatives = getattr(result, "alternatives", ())
    texts = [alternative.text for alternative in alternatives] or [result.text]
    return "".join(f"{text}\n" for text in texts)
