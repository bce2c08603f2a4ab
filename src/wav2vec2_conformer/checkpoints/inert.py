"""What a restricted pickle may hold besides plain values: data that can do nothing.

Names in a pickle are looked up here and nowhere else. Functions and classes of torch become
descriptions of tensors; classes of fairseq, omegaconf and argparse become inert objects that
keep what the file says about them. No class of the running program is ever handed out.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wav2vec2_conformer.errors import CheckpointError

# Packages whose classes are kept as inert objects, whatever their name.
_INERT_PACKAGES = frozenset({"examples", "fairseq", "fairseq_cli", "omegaconf", "s3prl"})
_INERT_NAMES = frozenset(
    {
        ("argparse", "Namespace"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("pathlib", "PosixPath"),
        ("pathlib", "WindowsPath"),
        ("torch", "device"),
        ("typing", "Any"),
    }
)
_DTYPE_OF_STORAGE = {
    "BFloat16Storage": "bfloat16",
    "BoolStorage": "bool",
    "ByteStorage": "uint8",
    "CharStorage": "int8",
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "IntStorage": "int32",
    "LongStorage": "int64",
    "ShortStorage": "int16",
    "UntypedStorage": "uint8",
}
_MAX_DIMENSIONS = 8
_MAX_KEY_PARTS = 8
DTYPE_SIZES = {
    "bfloat16": 2,
    "bool": 1,
    "float16": 2,
    "float32": 4,
    "float64": 8,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "int8": 1,
    "uint8": 1,
}


@dataclass(slots=True, eq=False)
class InertObject:
    """An object of a class that was not imported.

    Attributes:
        module: Module of the class, as the file names it.
        name: Name of the class.
        arguments: What it was made from.
        state: Its attributes, if the file has any.
        items: What was put into it, if the class is a container.
    """

    module: str
    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)

    def attributes(self) -> dict[Any, Any]:
        """Return its attributes; none when the file has none."""
        parts = self.state if isinstance(self.state, tuple) else (self.state,)
        return {
            key: value for part in parts if isinstance(part, dict) for key, value in part.items()
        }


@dataclass(frozen=True, slots=True)
class Storage:
    """Where the numbers of tensors are in the file.

    Attributes:
        key: Name of the record.
        dtype: Type of the numbers.
        num_elements: How many there are, as the pickle says.
        first: Index of the first one in the record.
    """

    key: str
    dtype: str
    num_elements: int
    first: int = 0


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that has not been read yet.

    Attributes:
        storage: Its numbers.
        offset: Index of its first number.
        shape: Its shape.
        stride: Its strides, in numbers.
        dtype: Type of the numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, eq=False)
class Constructor:
    """What stands for a function or class of a pickle.

    Attributes:
        name: Its full name.
        make: Makes the plain value that stands for its result.
    """

    name: str
    make: Callable[..., Any]


def find_global(module: str, name: str) -> Constructor | str:
    """Return what stands for a name: something harmless that makes a description or plain value.

    Raises:
        CheckpointError: The name is not one that checkpoints need.
    """
    if (module, name) in _KNOWN:
        return Constructor(f"{module}.{name}", _KNOWN[module, name])
    if module in {"torch", "torch.storage"} and name in _DTYPE_OF_STORAGE:
        return _DTYPE_OF_STORAGE[name]
    if module == "torch" and name in DTYPE_SIZES:
        return name
    if module.partition(".")[0] in _INERT_PACKAGES or (module, name) in _INERT_NAMES:
        return Constructor(
            f"{module}.{name}", lambda *arguments: InertObject(module, name, arguments)
        )
    raise _refuse(module, name)


def _refuse(module: str, name: str) -> CheckpointError:
    return CheckpointError(
        f"the file asks for {module}.{name}, which no checkpoint needs. Nothing of it was run. "
        "Do not load it with other programs either, unless you trust its source"
    )


def is_hashable(key: object, *, is_nested: bool = False) -> bool:
    """Tell whether a value may be the key of a dictionary: plain, or a flat tuple of a few.

    Deeper tuples are not taken: the time to hash them can grow exponentially.
    """
    if isinstance(key, tuple) and not is_nested:
        return len(key) <= _MAX_KEY_PARTS and all(is_hashable(part, is_nested=True) for part in key)
    return key is None or isinstance(key, str | int | float | bytes | InertObject | Constructor)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> StoredTensor:
    if not isinstance(storage, Storage):
        raise CheckpointError("a tensor has no storage")
    return _describe_tensor(storage, offset, shape, stride, storage.dtype)


def _rebuild_typed_tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> StoredTensor:
    if not isinstance(storage, Storage) or dtype not in DTYPE_SIZES:
        raise CheckpointError("a tensor has no storage or no known type")
    return _describe_tensor(storage, offset, shape, stride, dtype)


def _describe_tensor(
    storage: Storage, offset: Any, shape: Any, stride: Any, dtype: str
) -> StoredTensor:
    if (
        not isinstance(shape, list | tuple)
        or not isinstance(stride, list | tuple)
        or len(shape) != len(stride)
        or len(shape) > _MAX_DIMENSIONS
        or not all(type(number) is int and number >= 0 for number in (offset, *shape, *stride))
    ):
        raise CheckpointError("a tensor has an impossible shape")
    return StoredTensor(storage, offset, tuple(shape), tuple(stride), dtype)


def _name_member(owner: Any, name: Any) -> Any:
    """Return the member of an enumeration of fairseq that Python 3.11.2 and its like wrote.

    Others write the member's value where these write its name; in fairseq both are the same.
    """
    if not (
        isinstance(owner, Constructor)
        and owner.name.partition(".")[0] in _INERT_PACKAGES
        and isinstance(name, str)
    ):
        raise _refuse("builtins", "getattr")
    return owner.make(name)


def _make_empty_dict() -> dict[Any, Any]:
    return {}


# Nothing here copies what it is given: a small file could ask for that a million times.
_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "Counter"): lambda counts: counts,
    ("collections", "OrderedDict"): _make_empty_dict,
    ("collections", "defaultdict"): lambda _factory=None: {},
    ("_codecs", "encode"): lambda text, _encoding=None: text,
    ("torch", "Size"): lambda lengths: lengths,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("torch._utils", "_rebuild_parameter_with_state"): lambda data, *_: data,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _rebuild_typed_tensor,
    # Sets stay the lists that they are made from, so that nothing is hashed.
    **{
        (module, name): lambda values=(): values
        for module in ("builtins", "__builtin__")
        for name in ("set", "frozenset", "list", "tuple")
    },
    **{(module, "dict"): _make_empty_dict for module in ("builtins", "__builtin__")},
    **{(module, "getattr"): _name_member for module in ("builtins", "__builtin__")},
}
