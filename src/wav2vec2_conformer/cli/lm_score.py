"""`wav2vec2-conformer lm score`: how well a language model predicts a text."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Option

from wav2vec2_conformer.cli.text_lines import check_text_files, iter_text_lines


def score(
    text: Annotated[
        list[str],
        typer.Argument(help="UTF-8 text, one sentence a line; .gz, or - for standard input."),
    ],
    *,
    lm: Annotated[Path, Option("--lm", help="ARPA file, plain or .gz, or a binary of KenLM.")],
    output_format: Annotated[Literal["text", "json"], Option("-f", "--output-format")] = "text",
) -> None:
    """Measure the perplexity of a language model on a text."""
    check_text_files(text)
    from wav2vec2_conformer.evaluation.perplexity import predict_text
    from wav2vec2_conformer.language_models.language_model_file import load_language_model

    prediction = predict_text(load_language_model(lm), iter_text_lines(text))
    if output_format == "json":
        report = {
            "perplexity": prediction.perplexity,
            "known_perplexity": prediction.known_perplexity,
            "unknown_rate": prediction.unknown_rate,
            "num_sentences": prediction.num_sentences,
            "num_words": prediction.num_words,
            "num_unknown": prediction.num_unknown,
        }
        typer.echo(json.dumps(report))
        return
    typer.echo(
        f"perplexity {prediction.perplexity:.2f}, without unknown words "
        f"{prediction.known_perplexity:.2f}\n"
        f"{prediction.num_words} words in {prediction.num_sentences} sentences, "
        f"{prediction.unknown_rate:.2%} unknown"
    )
