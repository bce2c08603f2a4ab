"""`wav2vec2-conformer lm`: n-gram language models, built, measured and tuned."""

import typer

from wav2vec2_conformer.cli.lm_build import build
from wav2vec2_conformer.cli.lm_score import score
from wav2vec2_conformer.cli.lm_tune import tune

lm = typer.Typer(
    name="lm",
    help="Language models: build one from text, measure it, find its weights for a model.",
    no_args_is_help=True,
)
lm.command("build")(build)
lm.command("score")(score)
lm.command("tune")(tune)
