"""Named rules that make texts comparable before errors are counted.

An error rate means little without the rule it was measured with: name both.
"""

import re
import unicodedata
from collections.abc import Callable, Collection

from wav2vec2_conformer.errors import InputError, MissingExtraError
from wav2vec2_conformer.text.normalization import normalize_text
from wav2vec2_conformer.text.scripts import join_unspaced

Normalizer = Callable[[str], str]


def build_normalizer(name: str, vocabulary: Collection[str] | None = None) -> Normalizer:
    """Return the normalizer of a name.

    `none` only makes white space single spaces. `librispeech` writes upper case and keeps A to
    Z and apostrophes, accents dropped. `unicode` is for any script: NFKC, case folded,
    punctuation and symbols dropped. `arabic` is `unicode` without vowel signs and tatweel.
    `whisper-english` is that of the Open ASR Leaderboard (English alone: numbers, spellings,
    contractions). `vocabulary` spells with a model's characters (`text.normalization`).

    Args:
        name: One of these.
        vocabulary: The tokens of a model, for `vocabulary` alone.

    Raises:
        InputError: There is no normalizer of that name, or it needs a vocabulary.
        MissingExtraError: `whisper-english` without the package whisper-normalizer.
    """
    if name == "vocabulary":
        if vocabulary is None:
            raise InputError(
                "the normalizer vocabulary needs the vocabulary of a model, and none is given; "
                "take unicode, which needs none"
            )
        return lambda text: normalize_text(text, vocabulary)
    if name == "whisper-english":
        return _build_whisper_english()
    if name not in _NORMALIZERS:
        names = ", ".join([*_NORMALIZERS, "whisper-english", "vocabulary"])
        raise InputError(f"there is no normalizer named {name!r}; take one of: {names}")
    return _NORMALIZERS[name]


def normalize_spaces(text: str) -> str:
    """Make white space single spaces, none at the ends."""
    return " ".join(text.split())


def normalize_librispeech(text: str) -> str:
    """Write text as the transcripts of LibriSpeech are: A to Z, apostrophe, space.

    Accents are dropped and dashes become spaces. Digits are dropped like everything else that
    is no letter, so that numbers have to be spelled out.
    """
    decomposed = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES)).upper()
    return normalize_spaces(re.sub(r"[^A-Z' ]", "", _BREAKS.sub(" ", decomposed)))


def normalize_unicode(text: str) -> str:
    """Fold what is written differently and said alike, in any script.

    In this order: Unicode NFKC, case folded; dashes, slashes and underscores become spaces;
    other punctuation, symbols and invisible characters are dropped, but for an apostrophe
    inside a word; white space becomes single spaces, and none where a script has none (Han,
    kana, Thai, Lao, Khmer, Myanmar). Marks stay: they are vowels in many scripts.
    """
    folded = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    # Folding may undo the composition of a letter and its mark.
    spaced = _BREAKS.sub(" ", unicodedata.normalize("NFKC", folded))
    kept = "".join(c for c in spaced if c in "' " or unicodedata.category(c)[0] in "LNM")
    return join_unspaced(normalize_spaces(_OUTER_APOSTROPHE.sub("", kept)))


def normalize_arabic(text: str) -> str:
    """Do as `normalize_unicode`, and drop Arabic vowel signs, Koranic marks and tatweel."""
    return normalize_spaces(_ARABIC_MARKS.sub("", normalize_unicode(text)))


def _build_whisper_english() -> Normalizer:
    try:
        from whisper_normalizer.english import EnglishTextNormalizer  # noqa: PLC0415  optional
    except ImportError as error:
        raise MissingExtraError(
            "the normalizer whisper-english", "whisper-normalizer", "eval"
        ) from error
    normalize: Normalizer = EnglishTextNormalizer()
    return lambda text: normalize_spaces(normalize(text))


_NORMALIZERS: dict[str, Normalizer] = {
    "none": normalize_spaces,
    "librispeech": normalize_librispeech,
    "unicode": normalize_unicode,
    "arabic": normalize_arabic,
}
_APOSTROPHES = str.maketrans(
    {"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{MODIFIER LETTER APOSTROPHE}": "'"}
)
# White space, hyphens and dashes of all kinds, slashes, underscore.
_BREAKS = re.compile(
    r"[\s\-_/\\\u058a\u05be\u1806\u2010-\u2015\u2044\u2212\u30a0\ufe58\ufe63\uff0d]"
)
_OUTER_APOSTROPHE = re.compile(r"(?<!\w)'|'(?!\w)")
_ARABIC_MARKS = re.compile("[\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06ed]")
