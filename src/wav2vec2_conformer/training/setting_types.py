"""Values of settings against the types of their fields.

A recipe and a command line know a few types only; a field may say `Path`, `tuple[Path, ...]`,
`tuple[float, float]`, `Literal[...]`, `Mapping[str, Any]`, `bool`, `int`, `float`, `str`, and
`... | None`.
"""

from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from wav2vec2_conformer.errors import InputError

if TYPE_CHECKING:
    from dataclasses import Field


def check_value(field: "Field[Any]", value: Any) -> Any:
    """Return a value as the type of a field.

    Whole numbers are taken for numbers, strings for paths, and one value for a list of one.

    Args:
        field: Of a dataclass whose annotations are types, not strings.
        value: From a recipe or a command line.

    Raises:
        InputError: It is of another type; the message names the field.
    """
    try:
        return _convert(field.type, value)
    except _MismatchError as error:
        raise InputError(f"{field.name} must be {error}, got {value!r}") from None


class _MismatchError(Exception):
    """Says which type was expected."""


# What is taken for a plain type, and how it is called.
_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    Path: ((str, Path), "a path"),
    str: ((str, Path), "a text"),
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}


def _convert(expected: Any, value: Any) -> Any:
    origin, arguments = get_origin(expected), get_args(expected)
    if origin in (Union, UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return None if value is None else _convert(inner, value)
    if origin is Literal:
        if value not in arguments:
            raise _MismatchError(f"one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        return _convert_tuple(arguments, value)
    if expected not in _PLAIN:
        if not isinstance(value, Mapping):
            raise _MismatchError("a mapping of names to values")
        return value
    types, name = _PLAIN[expected]
    is_misplaced_bool = isinstance(value, bool) and expected is not bool
    if is_misplaced_bool or not isinstance(value, types):
        raise _MismatchError(name)
    return expected(value)


def _convert_tuple(arguments: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    values = value if isinstance(value, list | tuple) else [value]
    if arguments[-1] is Ellipsis:
        return tuple(_convert(arguments[0], item) for item in values)
    if len(values) != len(arguments):
        raise _MismatchError(f"a list of {len(arguments)} values")
    return tuple(_convert(inner, item) for inner, item in zip(arguments, values, strict=True))
