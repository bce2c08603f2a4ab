"""Measures the word error rate of the bundled model, each frame's best token, at a precision."""

from typing import Any

import torch

from wav2vec2_conformer.benchmark.conversation import Conversation
from wav2vec2_conformer.evaluation.corpus import evaluate_texts
from wav2vec2_conformer.evaluation.model_run import recognize
from wav2vec2_conformer.evaluation.reference_set import read_references
from wav2vec2_conformer.inference.decoding_options import DecodingOptions
from wav2vec2_conformer.inference.transcriber import Transcriber


def main() -> None:
    """Load the model and transcribe a test set when asked.

    Arguments: `manifest`, a path; `compute_type`; `threads`. Answers hold the `wer`.
    """
    conversation = Conversation()
    arguments = conversation.arguments
    torch.set_num_threads(arguments["threads"])
    references = read_references(arguments["manifest"])
    transcriber = Transcriber.from_pretrained(
        device="cpu", compute_type=arguments["compute_type"], decoding=DecodingOptions()
    )

    def run(_: dict[str, Any]) -> dict[str, Any]:
        recognition = recognize(transcriber, references, name=arguments["compute_type"])
        heard = sorted(recognition.hypotheses)
        evaluation = evaluate_texts(
            [references[position].text for position in heard],
            [recognition.hypotheses[position] for position in heard],
        )
        return {"wer": evaluation.wer, "num_utterances": len(heard)}

    conversation.answer_requests(
        run, {"audio_s": sum(reference.duration_s for reference in references)}
    )


if __name__ == "__main__":
    main()
