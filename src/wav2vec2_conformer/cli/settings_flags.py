"""A dataclass of settings to the flags of a command.

Each field becomes a flag with the help of its metadata (`training.run_settings.setting`);
mappings do not: recipes and `key=value` set them. A flag that is not given is None, so that a
recipe behind it can be told from a default.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from typer import Option

from wav2vec2_conformer.training.run_settings import list_settings


def with_settings(settings_class: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for each field; it gets those that were given in `**flags`.

    Args:
        settings_class: A dataclass.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        flags = [_make_flag(field) for field in list_settings(settings_class) if _is_flag(field)]
        command.__signature__ = signature.replace(parameters=[*own, *flags])  # type: ignore[attr-defined]
        return command

    return decorate


def given_flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the flags that were given."""
    return {name: value for name, value in flags.items() if value is not None and value != []}


def _is_flag(field: "Field[Any]") -> bool:
    return get_origin(field.type) is not Mapping


def _make_flag(field: "Field[Any]") -> inspect.Parameter:
    default = field.default
    text = field.metadata["help"]
    if default is not MISSING and default not in (None, False, ()):
        values = default if isinstance(default, tuple) else (default,)
        shown = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
        text = f"{text} (default {shown})"
    option = Option(
        *field.metadata["flags"],
        help=text,
        rich_help_panel=field.metadata["panel"],
        show_default=False,
    )
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[_flag_type(field.type) | None, option],
    )


def _flag_type(expected: Any) -> Any:
    """Return what typer knows: a list where a field has a tuple of any length."""
    arguments = get_args(expected)
    if get_origin(expected) in (Union, UnionType):
        (expected,) = (argument for argument in arguments if argument is not type(None))
        return _flag_type(expected)
    if get_origin(expected) is tuple and arguments[-1] is Ellipsis:
        # Which texts are allowed is checked with the rest of the settings.
        return list[Path] if arguments[0] is Path else list[str]
    return expected
