"""Measures the machine's rate of float32 products of large matrices: the roofline."""

import time
from typing import Any

import torch

from wav2vec2_conformer.benchmark.conversation import Conversation

_REPETITIONS = 3  # in an answer, of which the best counts


def main() -> None:
    """Multiply square matrices whenever asked.

    Arguments: `dim`, rows and columns; `threads`. Answers hold `flops_per_s`.
    """
    conversation = Conversation()
    arguments = conversation.arguments
    torch.set_num_threads(arguments["threads"])
    dim = arguments["dim"]
    left, right = torch.randn(dim, dim), torch.randn(dim, dim)
    product = torch.mm(left, right)

    def multiply(_: dict[str, Any]) -> dict[str, Any]:
        seconds = []
        for _repetition in range(_REPETITIONS):
            start_s = time.perf_counter()
            torch.mm(left, right, out=product)
            seconds.append(time.perf_counter() - start_s)
        return {"flops_per_s": 2 * dim**3 / min(seconds)}

    conversation.answer_requests(multiply)


if __name__ == "__main__":
    main()
