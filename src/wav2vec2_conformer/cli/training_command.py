"""The command of a training run: flags of its settings, a recipe behind them, its plan."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer
from typer import Argument, Option

from wav2vec2_conformer.cli.settings_flags import given_flags, with_settings
from wav2vec2_conformer.cli.training_log import log_to_stderr, print_result
from wav2vec2_conformer.training.pretraining.settings import PretrainingSettings
from wav2vec2_conformer.training.settings import FinetuneSettings

S = TypeVar("S", FinetuneSettings, PretrainingSettings)


def training_command(
    settings_class: type[S],
) -> Callable[[Callable[[S], Path]], Callable[..., None]]:
    """Make a command of a function that trains and returns the folder of the final model.

    Args:
        settings_class: What the function takes: each setting becomes a flag.
    """

    def decorate(train: Callable[[S], Path]) -> Callable[..., None]:
        @with_settings(settings_class)
        def command(
            *,
            overrides: Annotated[
                list[str] | None,
                Argument(
                    metavar="[KEY=VALUE]...",
                    help="Settings of the recipe to change, such as model_config.layerdrop=0.1, "
                    "or any of transformers' TrainingArguments.",
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
                    help="Measure one batch, print updates, hours, parameters and memory, and "
                    "stop.",
                ),
            ] = False,
            **flags: Any,
        ) -> None:
            from wav2vec2_conformer.training.recipe import (
                apply_overrides,
                build_settings,
                read_recipe,
            )

            if list_presets:
                _print_presets(settings_class)
                return
            values = {} if recipe is None else read_recipe(recipe)
            settings = build_settings(
                settings_class, apply_overrides(values, overrides or ()) | given_flags(flags)
            )
            log_to_stderr()
            from transformers.utils.logging import disable_progress_bar

            disable_progress_bar()  # one bar for each file that is loaded or saved
            if dry_run:
                from wav2vec2_conformer.training.plan import format_plan, plan_run

                print_result(format_plan(plan_run(settings)))
            else:
                from wav2vec2_conformer.training.freed_memory import keep_freed_memory

                keep_freed_memory()
                print_result(train(settings))

        command.__doc__ = train.__doc__
        return command

    return decorate


def _print_presets(settings_class: type) -> None:
    from wav2vec2_conformer.training.recipe import list_presets

    tasks = get_args(get_type_hints(settings_class)["task"])
    for preset in list_presets():
        if preset.task in tasks:
            typer.echo(f"{preset.name:28} {preset.description}")
