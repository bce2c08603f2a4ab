"""Labels that do not belong to the model's outputs."""

from collections import Counter
from collections.abc import Iterable

from wav2vec2_conformer.training.health.finding import Finding


def find_vocabulary_mismatch(
    *, num_outputs: int, vocabulary_size: int, blank_id: int, pad_token_id: int
) -> Finding | None:
    """Compare the output layer with the vocabulary, before the first update.

    Args:
        num_outputs: Outputs of the model.
        vocabulary_size: Tokens of the tokenizer.
        blank_id: Output that the loss takes for blank (`config.pad_token_id`).
        pad_token_id: The tokenizer's padding token, which decoding takes for blank.
    """
    problems = []
    if num_outputs != vocabulary_size:
        problems.append(f"the model has {num_outputs} outputs and {vocabulary_size} tokens")
    if blank_id != pad_token_id:
        problems.append(f"blank is output {blank_id} in the loss, {pad_token_id} in decoding")
    if not problems:
        return None
    return Finding(
        detector="vocabulary_mismatch",
        what=" and ".join(problems),
        cause="vocab.json of another checkpoint, or a vocabulary that was changed afterwards",
        remedy="use the vocab.json that belongs to the checkpoint, or give --vocab so that the "
        "output layer starts anew",
    )


class UnknownTokens:
    """Find texts of which a good part is not in the vocabulary.

    Args:
        share: Of the labels that are the unknown token.
        min_labels: Labels to be seen before.
    """

    def __init__(self, share: float = 0.05, min_labels: int = 1000) -> None:
        self._share = share
        self._min_labels = min_labels
        self._num_labels = 0
        self._num_unknown = 0

    def update(self, num_labels: int, num_unknown: int) -> Finding | None:
        """Take the numbers of a batch."""
        self._num_labels += num_labels
        self._num_unknown += num_unknown
        if self._num_labels < self._min_labels:
            return None
        share = self._num_unknown / self._num_labels
        if share < self._share:
            return None
        return Finding(
            detector="unknown_tokens",
            what=f"{100 * share:.0f} % of {self._num_labels} labels are the unknown token",
            cause="texts in another script, case or spelling than the vocabulary",
            remedy="normalise the texts, or build a vocabulary from them and give it as --vocab",
        )


class SingleClass:
    """Find a data set of which the model sees one class only.

    Args:
        min_items: Items to be seen before.
    """

    def __init__(self, min_items: int = 200) -> None:
        self._min_items = min_items
        self._seen: Counter[int] = Counter()

    def update(self, class_ids: Iterable[int], num_classes: int) -> Finding | None:
        """Take the classes of a batch.

        Args:
            class_ids: Class of each item.
            num_classes: Outputs of the model.
        """
        self._seen.update(class_ids)
        if self._seen.total() < self._min_items or len(self._seen) > 1 or num_classes <= 1:
            return None
        (class_id,) = self._seen
        return Finding(
            detector="single_class",
            what=f"all {self._seen.total()} items so far have class {class_id} of {num_classes}",
            cause="a manifest sorted by class and read without shuffling, or labels of another "
            "column",
            remedy="shuffle the manifest and check which field the labels come from",
        )
