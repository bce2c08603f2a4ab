"""Scripts that are written without spaces between words."""

import re
from collections.abc import Iterable

# Thai, Lao, Myanmar, Khmer, kana, Han: blocks of the Unicode Character Database. Hangul is
# missing because Korean has spaces.
_RANGES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\U00020000-\U000323af"
)
_UNSPACED = re.compile(f"[{_RANGES}]")
_SPACE_BETWEEN = re.compile(rf"(?<=[{_RANGES}])\s+(?=[{_RANGES}])")


def is_mostly_unspaced(texts: Iterable[str]) -> bool:
    """Return whether most letters of texts are of scripts without spaces between words.

    Their words cannot be counted by white space, so that errors are counted in characters.
    """
    num_letters = num_unspaced = 0
    for text in texts:
        unspaced = len(_UNSPACED.findall(text))
        num_unspaced += unspaced
        num_letters += sum(c.isalpha() for c in _UNSPACED.sub("", text)) + unspaced
    return num_unspaced * 2 > num_letters


def join_unspaced(text: str) -> str:
    """Drop white space between two characters of scripts that need none."""
    return _SPACE_BETWEEN.sub("", text)
