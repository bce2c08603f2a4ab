"""Which characters a collection of texts is written with.

Source: Unicode Standard Annex 15 (NFC) and the general categories of chapter 4: letters (L),
marks (M: vowel signs, viramas, accents) and numbers (N) are what a text is spelled with.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from typing import Literal

LetterCase = Literal["lower", "upper", "keep"]

# Signs of vowels, of doubling and of recitation, and the stroke that lengthens a word.
_ARABIC_MARKS = re.compile("[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06ed]")
_APOSTROPHES = str.maketrans(
    {"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{MODIFIER LETTER APOSTROPHE}": "'"}
)
_INNER_APOSTROPHE = re.compile(r"(?<=\w)'(?=\w)")


def count_characters(texts: Iterable[str], *, letter_case: LetterCase = "lower") -> Counter[str]:
    """Count what texts are spelled with, after NFC: letters, marks, numbers.

    The apostrophe counts where it stands inside a word, in any of its typographic forms.
    Punctuation, symbols and invisible characters do not count.

    Args:
        texts: Texts of any script, or of several.
        letter_case: What becomes of scripts with two cases.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        normalized = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
        if letter_case != "keep":
            normalized = normalized.lower() if letter_case == "lower" else normalized.upper()
        counts.update(c for c in normalized if unicodedata.category(c)[0] in "LMN")
        if inner := len(_INNER_APOSTROPHE.findall(normalized)):
            counts["'"] += inner
    return counts


def strip_arabic_marks(text: str) -> str:
    """Drop the diacritics of Arabic (fatha, shadda, ...) and the tatweel; letters stay.

    Everyday Arabic is written without them, so data that has them in part is easier to learn
    without. Letters with a hamza or madda are letters of their own and keep them.
    """
    return _ARABIC_MARKS.sub("", unicodedata.normalize("NFC", text))
