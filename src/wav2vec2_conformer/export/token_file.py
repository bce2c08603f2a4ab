"""Vocabularies as onnx-asr and sherpa-onnx read them: a line `token number` for each token."""

from collections.abc import Sequence
from pathlib import Path

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.export.heads import LoadedHead

BLANK, SPACE = "<blk>", "\u2581"


def write_token_file(head: LoadedHead, order: Sequence[int], path: Path) -> None:
    """Write the tokens of a CTC model, with the names that both programs give blank and space.

    Args:
        head: The model.
        order: The model's number of each column of the graph's result.
        path: The file.

    Raises:
        InputError: A token holds white space, which ends it in such a file.
    """
    tokenizer = head.preprocessing.tokenizer
    blank_id = head.model.config.pad_token_id
    delimiter_id = tokenizer.convert_tokens_to_ids(tokenizer.word_delimiter_token)
    lines = []
    for column, number in enumerate(order):
        token = tokenizer.convert_ids_to_tokens(number)
        if number == blank_id:
            token = BLANK
        elif number == delimiter_id:
            token = SPACE
        elif tokenizer.do_lower_case and number not in tokenizer.all_special_ids:
            token = token.lower()
        if token is None or token.split() != [token]:
            raise InputError(
                f"the token {token!r} (number {number}) is missing or holds white space, which "
                f"{path.name} cannot hold. Use the layout transformers."
            )
        lines.append(f"{token} {column}\n")
    path.write_text("".join(lines), encoding="utf-8")
