"""Flags of the beam search, for all commands that decode."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

if TYPE_CHECKING:
    from wav2vec2_conformer.inference.decoder import DecodingOptions

# As in DecodingOptions, which is not light to import.
ALPHA, BETA, HOT_WORD_WEIGHT = 0.5, 1.5, 10.0
_PANEL = "Decoding"

Greedy = Annotated[
    bool,
    Option(
        "--greedy",
        help="Take each frame's best token: no search, no language model. That is done anyway "
        "where the model's folder has no language model and no other flag of this group is "
        "given.",
        rich_help_panel=_PANEL,
    ),
]
BeamWidth = Annotated[
    int | None,
    Option(
        min=1,
        help="Transcripts that the search keeps; more are slower.",
        rich_help_panel=_PANEL,
    ),
]
NumBest = Annotated[
    int | None,
    Option(
        "--nbest",
        min=1,
        help="Best transcripts in json and jsonl; further lines in txt.",
        rich_help_panel=_PANEL,
    ),
]
LanguageModelFile = Annotated[
    Path | None,
    Option(
        "--lm",
        exists=True,
        dir_okay=False,
        help="n-gram model of words: ARPA, plain or gzip, or a binary of KenLM.",
        show_default="the one in the model's folder, if any",
        rich_help_panel=_PANEL,
    ),
]
Alpha = Annotated[
    float | None,
    Option(help="Weight of the language model.", show_default=f"{ALPHA:g}", rich_help_panel=_PANEL),
]
Beta = Annotated[
    float | None,
    Option(
        help="Added for each word, with a language model; more gives more words.",
        show_default=f"{BETA:g}",
        rich_help_panel=_PANEL,
    ),
]
HotWords = Annotated[
    str | None,
    Option(
        "--hotwords",
        help="Words and phrases to favour: 'one,two words', or @FILE with one a line and, "
        "after a tab, a weight of its own.",
        rich_help_panel=_PANEL,
    ),
]
HotWordWeight = Annotated[
    float | None,
    Option(
        "--hotword-weight",
        help="Added for each hot word, natural logarithm.",
        show_default=f"{HOT_WORD_WEIGHT:g}",
        rich_help_panel=_PANEL,
    ),
]


def decoding_options(
    model: str | None,
    *,
    greedy: bool,
    beam_width: int | None,
    num_best: int | None,
    language_model: Path | None,
    alpha: float | None,
    beta: float | None,
    hot_words: str | None,
    hot_word_weight: float | None,
) -> "DecodingOptions | None":
    """Return the options that flags stand for; None where no flag is given.

    What no flag says is as the model's folder has it: its language model, tuned weights.

    Args:
        model: Checkpoint folder or hub name; None for the bundled model.
        greedy: Each frame's best token, whatever the folder has.
        beam_width: See `DecodingOptions`, as for all that follow.
        num_best: See there.
        language_model: A file, in place of the folder's.
        alpha: See there.
        beta: See there.
        hot_words: As `read_hot_words` reads them.
        hot_word_weight: Of those without a weight of their own.

    Raises:
        typer.BadParameter: When a weight is given for what is not, flags contradict each
            other, or hot words cannot be read.
        InputError: When the language model cannot be read.
        MissingExtraError: When it needs a package that is not installed.
    """
    if hot_words is None and hot_word_weight is not None:
        raise typer.BadParameter("--hotword-weight needs --hotwords.")
    given: dict[str, Any] = {
        "beam_width": beam_width,
        "num_best": num_best,
        "alpha": alpha,
        "beta": beta,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if hot_words is not None:
        given["hot_words"] = read_hot_words(
            hot_words, HOT_WORD_WEIGHT if hot_word_weight is None else hot_word_weight
        )
    if greedy and (given or language_model is not None):
        raise typer.BadParameter("--greedy goes with no other flag of decoding.")
    if not (greedy or given) and language_model is None:
        return None
    from wav2vec2_conformer.inference.decoder import DecodingOptions

    if greedy:
        return DecodingOptions()
    if language_model is not None:
        from wav2vec2_conformer.language_models.language_model_file import load_language_model

        return DecodingOptions(language_model=load_language_model(language_model), **given)
    from wav2vec2_conformer.inference.loading import load_decoding

    own = load_decoding(model)
    if own.language_model is None and given.keys() & {"alpha", "beta"}:
        raise typer.BadParameter("--alpha and --beta weigh a language model: give --lm.")
    return replace(own, **given)


def read_hot_words(value: str, weight: float) -> dict[str, float]:
    """Return hot words with their weights.

    Args:
        value: Words and phrases between commas, or `@` and the path of a file.
        weight: Weight of those that have none of their own.

    Raises:
        typer.BadParameter: When there are none, the file cannot be read, or a weight in it is
            no number.
    """
    if value.startswith("@"):
        weights = dict(_read_file(Path(value[1:]), weight))
    else:
        weights = {phrase: weight for part in value.split(",") if (phrase := part.strip())}
    if not weights:
        raise typer.BadParameter(f"there is no word in {value!r}.", param_hint="--hotwords")
    return weights


def _read_file(path: Path, weight: float) -> Iterator[tuple[str, float]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise typer.BadParameter(
            f"cannot read {path}: {reason}.", param_hint="--hotwords"
        ) from error
    for number, line in enumerate(lines, start=1):
        phrase, _, own_weight = line.partition("\t")
        if not phrase.strip():
            continue
        try:
            yield phrase.strip(), float(own_weight) if own_weight.strip() else weight
        except ValueError as error:
            raise typer.BadParameter(
                f"{path}:{number}: the weight must be a number, but is {own_weight!r}.",
                param_hint="--hotwords",
            ) from error
