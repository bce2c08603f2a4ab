"""What a search asks of a language model of words."""

from typing import Any, Protocol


class LanguageModel(Protocol):
    """Scores words one after another. Natural logarithms throughout.

    Attributes:
        order: Longest n-gram; a state depends on `order - 1` words.
    """

    order: int

    def start(self) -> Any:
        """Return the state at the start of an utterance. States are immutable."""

    def score(self, state: Any, word: str) -> tuple[float, Any]:
        """Return the log-probability of a word after a state, and the state after it.

        A word that the model does not know gets its probability of unknown words.
        """

    def score_end(self, state: Any) -> float:
        """Return the log-probability that the utterance ends after a state."""

    def __contains__(self, word: str) -> bool:
        """Whether the model knows a word."""

    def has_prefix(self, prefix: str) -> bool:
        """Whether the model knows a word that begins so."""
