"""Recipes: YAML files of settings, with strict names, presets and `key=value` overrides.

A recipe is one mapping. Its names are the fields of a settings class, `description`, and, where
the class has a field `trainer_arguments`, names of transformers' `TrainingArguments`.
"""

import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml

from wav2vec2_conformer.errors import InputError
from wav2vec2_conformer.training.run_settings import list_settings
from wav2vec2_conformer.training.setting_types import check_value

RECIPE_FILE = "recipe.yaml"
DESCRIPTION = "description"
# Arguments of the trainer that would do nothing here, and what does it.
_REPLACED = {
    "auto_find_batch_size": "batch_seconds",
    "dataloader_num_workers": "num_workers",
    "lr_scheduler_kwargs": "schedule",
    "lr_scheduler_type": "schedule",
    "per_device_eval_batch_size": "batch_seconds",
    "per_device_train_batch_size": "batch_seconds",
    "resume_from_checkpoint": "resume",
    "torch_compile_backend": "torch_compile",
    "torch_compile_mode": "torch_compile",
}
_PRESET_FOLDER = Path(__file__).parent / "presets"

S = TypeVar("S")


@dataclass(frozen=True)
class Preset:
    """A recipe that is part of this package.

    Attributes:
        name: What `--recipe` takes.
        task: What is trained: a task of fine-tuning, or "pretraining".
        description: What it reproduces, in a sentence.
        path: The file.
    """

    name: str
    task: str
    description: str
    path: Path


def list_presets() -> list[Preset]:
    """Return the recipes of this package, by name."""
    presets = []
    for path in sorted(_PRESET_FOLDER.glob("*.yaml")):
        values = _read_yaml(path)
        presets.append(Preset(path.stem, str(values["task"]), str(values[DESCRIPTION]), path))
    return presets


def read_recipe(source: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a recipe.

    Args:
        source: A file, or the name of a preset.
        overrides: Values to change, each `key=value` with the value in YAML; `key.name=value`
            changes an entry of a mapping.

    Returns:
        Names and values as they are in the file. Nothing is checked but the form.

    Raises:
        InputError: There is no such file or preset, it is no YAML mapping, or an override has
            another form.
    """
    return apply_overrides(_read_yaml(_find_recipe(source)), overrides)


def apply_overrides(values: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return the values of a recipe after `key=value` overrides; see `read_recipe`.

    Raises:
        InputError: An override has another form, or an entry is set of what is no mapping.
    """
    changed = dict(values)
    for override in overrides:
        key, equals, text = override.partition("=")
        name, dot, entry = key.strip().partition(".")
        if not (equals and name and bool(dot) == bool(entry)):
            raise InputError(
                f"an override of a recipe must be key=value or key.name=value, got {override!r}"
            )
        value = _parse_yaml(text, override)
        if not dot:
            changed[name] = value
            continue
        mapping = changed.get(name) or {}
        if not isinstance(mapping, Mapping):
            raise InputError(f"{override!r}: {name} is no mapping but {mapping!r}")
        changed[name] = {**mapping, entry: value}
    return changed


def build_settings(settings_class: type[S], values: Mapping[str, Any]) -> S:
    """Return settings of names and values, after checking both.

    Args:
        settings_class: A dataclass.
        values: Of a recipe; what it leaves out has the class's default.

    Raises:
        InputError: A name is unknown (the nearest ones are named), or a value is of another
            type than its field.
    """
    known = {field.name: field for field in fields(settings_class)}  # type: ignore[arg-type]
    given = {name: value for name, value in values.items() if name != DESCRIPTION}
    further = {name: given.pop(name) for name in list(given) if name not in known}
    further |= given.get("trainer_arguments") or {}
    if further:
        _check_trainer_names(further, known)
        given["trainer_arguments"] = further
    checked = {name: check_value(known[name], value) for name, value in given.items()}
    return settings_class(**checked)


def write_recipe(settings: Any, path: str | Path) -> Path:
    """Write settings as a recipe that gives the same settings again.

    Args:
        settings: An instance of a class of settings.
        path: The file; it appears at once, complete.
    """
    path = Path(path)
    values = {
        field.name: _as_plain(getattr(settings, field.name)) for field in list_settings(settings)
    }
    values |= values.pop("trainer_arguments", {})
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(
        yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    temporary.replace(path)
    return path


def _find_recipe(source: str | Path) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    names = [preset.stem for preset in sorted(_PRESET_FOLDER.glob("*.yaml"))]
    if str(source) in names:
        return _PRESET_FOLDER / f"{source}.yaml"
    near = get_close_matches(str(source), names, n=3, cutoff=0.5)
    advice = f"did you mean {', '.join(near)}?" if near else f"the presets are {', '.join(names)}"
    raise InputError(f"{source}: there is no such recipe file or preset; {advice}")


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: the recipe cannot be read as UTF-8 text: {error}") from error
    values = _parse_yaml(text, str(path))
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise InputError(f"{path}: a recipe is a mapping of names to values, got {values!r}")
    return values


class _Loader(yaml.SafeLoader):
    """YAML in which 3e-4 is a number, as in YAML 1.2, and a name given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"{name} is given twice", problem_mark=node.start_mark
                )
        return super().construct_mapping(node, deep=deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parse_yaml(text: str, place: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise InputError(f"{place}: no YAML: {' '.join(str(error).split())}") from error


def _check_trainer_names(names: Iterable[str], known: Collection[str]) -> None:
    """Raise an InputError unless names are arguments of the trainer alone."""
    from transformers import TrainingArguments  # noqa: PLC0415 - seconds, and seldom needed

    allowed = {field.name for field in fields(TrainingArguments) if field.init}
    if "trainer_arguments" not in known:
        allowed = set()
    for name in names:
        if name in known:
            raise InputError(f"trainer_arguments.{name}: give {name} by itself")
        if name in _REPLACED and allowed:
            raise InputError(f"{name} has no effect here; use {_REPLACED[name]}")
        if name not in allowed:
            near = get_close_matches(name, sorted(allowed | set(known)), n=3, cutoff=0.6)
            advice = f"did you mean {', '.join(near)}?" if near else "--help lists what there is"
            raise InputError(f"{name} is no setting of this run; {advice}")


def _as_plain(value: Any) -> Any:
    """Return what YAML has types for."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_as_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _as_plain(item) for key, item in value.items()}
    return value
