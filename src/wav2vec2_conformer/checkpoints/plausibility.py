"""How much a text looks like a language, by its pairs of neighbouring letters."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise

_SMOOTHING = 0.1
# Frequent words of English, the most frequent first.
_ENGLISH_WORDS = """
the of and to a in that it is was i for on you he be with as by at have are this not but had his
they from she which or we an there her were one do been all their has would will what if can when
so no said who more about up them some could him into its then two out time like only my did other
me your over just may these new also people any know very see first well after should now than how
such our where most back much before go good through way even because think down work never being
made must many while again here great old year come came same right still long little own day those
both under might last us make world between life without take against man part off house place went
upon every hand found thought men old away something though once always few head night why water
does told left eyes got heart nothing looked want mother father small another asked turned felt
young face knew going began room words enough called whole seemed brought white light voice side
behind stood near done morning door love took himself saw since high far given three half country
state king soon round years children girl women name boy set thing however almost known large often
present quite together yet tell next put kind hear sent miss god money feet better business moment
""".split()  # noqa: SIM905 - a list of literals would be five times as long


class LetterPairs:
    """Probabilities of a letter after another one.

    Args:
        words: Words and how often they occur.
    """

    def __init__(self, words: Mapping[str, float]) -> None:
        self._pairs: Counter[str] = Counter()
        self._firsts: Counter[str] = Counter()
        for word, count in words.items():
            text = f" {word.lower()} "
            for first, second in pairwise(text):
                self._pairs[first + second] += count  # type: ignore[assignment]  # not whole
                self._firsts[first] += count  # type: ignore[assignment]
        self._num_letters = len(self._firsts) + 1

    def score(self, text: str) -> float:
        """Return the mean log-probability of the text's letters, in nats; higher is likelier.

        Args:
            text: Words; minus infinity when there is none.
        """
        padded = f" {' '.join(text.lower().split())} "
        if not padded.strip():
            return -math.inf
        total = 0.0
        for first, second in pairwise(padded):
            of_pair = self._pairs[first + second] + _SMOOTHING
            of_first = self._firsts[first] + _SMOOTHING * self._num_letters
            total += math.log(of_pair / of_first)
        return total / (len(padded) - 1)


def english_letter_pairs() -> LetterPairs:
    """Return the letter pairs of frequent English words, each as frequent as its rank says."""
    return LetterPairs({word: 1000 / (rank + 10) for rank, word in enumerate(_ENGLISH_WORDS)})


def letter_pairs_of(lines: Iterable[str]) -> LetterPairs:
    """Return the letter pairs of a text."""
    return LetterPairs(Counter(word for line in lines for word in line.split()))
