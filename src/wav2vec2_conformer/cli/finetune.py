"""`wav2vec2-conformer finetune`: train a model for a task."""

from typing import Annotated, Any

import typer
from typer import Argument, Option

from wav2vec2_conformer.cli.settings_flags import given_flags, with_settings
from wav2vec2_conformer.cli.training_log import log_to_stderr, print_result
from wav2vec2_conformer.training.settings import FinetuneSettings


@with_settings(FinetuneSettings)
def finetune(
    *,
    overrides: Annotated[
        list[str] | None,
        Argument(
            metavar="[KEY=VALUE]...",
            help="Settings of the recipe to change, such as model_config.layerdrop=0.1, or any of "
            "transformers' TrainingArguments.",
        ),
    ] = None,
    recipe: Annotated[
        str | None, Option(help="YAML file of settings, or the name of a preset.")
    ] = None,
    list_presets: Annotated[
        bool, Option("--list-presets", help="Name the recipes of this package and stop.")
    ] = False,
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Measure one batch, print updates, hours, parameters and memory, and stop.",
        ),
    ] = False,
    **flags: Any,
) -> None:
    """Train a model for a task, from a checkpoint (--model) or random weights (--config).

    A flag comes before a key=value, which comes before the recipe. Prints the folder of the
    final model.
    """
    from wav2vec2_conformer.training.recipe import (
        apply_overrides,
        build_settings,
        read_recipe,
    )
    from wav2vec2_conformer.training.recipe import (
        list_presets as read_presets,
    )

    if list_presets:
        for preset in read_presets():
            if preset.task != "pretraining":
                typer.echo(f"{preset.name:28} {preset.description}")
        return
    values = {} if recipe is None else read_recipe(recipe)
    settings = build_settings(
        FinetuneSettings, apply_overrides(values, overrides or ()) | given_flags(flags)
    )
    log_to_stderr()
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # one bar for each file that is loaded or saved
    if dry_run:
        from wav2vec2_conformer.training.plan import format_plan, plan_run

        print_result(format_plan(plan_run(settings)))
        return
    from wav2vec2_conformer.training import finetuning

    print_result(finetuning.finetune(settings))
