"""Text as a vocabulary can spell it, for training and for scoring."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable


def normalize_text(text: str, vocabulary: Collection[str]) -> str:
    """Rewrite text with the characters of a vocabulary, as far as this loses no letters.

    In this order: Unicode NFC; typographic apostrophes become "'"; the letter case that the
    vocabulary has (a vocabulary with letters of both cases, or with none, leaves the case);
    hyphens and dashes that it lacks become spaces; other punctuation and symbols that it
    lacks are dropped; white space becomes single spaces, none at the ends. Letters, digits
    and marks that it lacks stay, for `count_unknown` to report and the tokenizer to map to
    the unknown token.

    Args:
        text: Any text.
        vocabulary: The tokens. Those longer than a character, such as "<pad>", and the
            word delimiter "|" do not count as characters.

    Returns:
        The normalized text, which may be empty.
    """
    characters = spoken_characters(vocabulary)
    text = unicodedata.normalize("NFC", text).translate(_APOSTROPHES)
    has_upper = any(c.isupper() for c in characters)
    has_lower = any(c.islower() for c in characters)
    if has_upper and not has_lower:
        text = text.upper()
    elif has_lower and not has_upper:
        text = text.lower()
    kept = []
    for character in text:
        category = unicodedata.category(character)
        if character in characters or category[0] in "LNM":
            kept.append(character)
        elif category == "Pd" or character.isspace():
            kept.append(" ")
    return " ".join("".join(kept).split())


def count_unknown(texts: Iterable[str], vocabulary: Collection[str]) -> Counter[str]:
    """Count the characters of normalized texts that the vocabulary lacks.

    Args:
        texts: Results of `normalize_text`.
        vocabulary: The tokens.

    Returns:
        Number of occurrences of each unknown character, the most frequent first when asked
        with `most_common`.
    """
    known = spoken_characters(vocabulary) | {" "}
    return Counter(character for text in texts for character in text if character not in known)


def spoken_characters(vocabulary: Collection[str]) -> frozenset[str]:
    """Return the tokens that stand for a character of text: not "<pad>" or "|"."""
    return frozenset(token for token in vocabulary if len(token) == 1 and token != "|")  # noqa: S105


_APOSTROPHES = str.maketrans(
    {"\N{RIGHT SINGLE QUOTATION MARK}": "'", "\N{MODIFIER LETTER APOSTROPHE}": "'"}
)
