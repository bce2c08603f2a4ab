"""What a search returns."""

from dataclasses import dataclass

from wav2vec2_conformer.decoding.greedy import TokenSpans


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One reading of an utterance.

    Attributes:
        spans: Its tokens, and the frames of each on the best single alignment.
        score: What hypotheses are ranked by: `log_prob`, and what language model and hot
            words add. Natural logarithm.
        log_prob: Log-probability of the tokens, summed over the alignments that were
            followed. Natural logarithm.
    """

    spans: TokenSpans
    score: float
    log_prob: float
